# shellcheck shell=bash
# Maven artifacts and what is made from them, kept outside the repository and shared by every
# stack of this user. An entry is built in a temporary folder and renamed, so that it is there
# whole or not at all; a lock lets two runs go side by side.

CACHE_DIR=${FLASHGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flashgate}

# cached NAME BUILDER [ARGUMENT...]: prints the path of the entry. If it is not there, calls
# BUILDER FOLDER [ARGUMENT...], which fills the folder.
cached() {
    local name=$1 builder=$2 entry=$CACHE_DIR/$1 building lock
    shift 2
    if [[ ! -e $entry ]]; then
        mkdir -p -- "$CACHE_DIR"
        exec {lock}>"$CACHE_DIR/$name.lock"
        flock "$lock"
        if [[ ! -e $entry ]]; then
            # What an interrupted run left; nobody else builds while we hold the lock.
            rm -rf -- "$CACHE_DIR/$name".building.*
            building=$(mktemp -d -- "$CACHE_DIR/$name.building.XXXXXX")
            if ! "$builder" "$building" "$@" >&2; then
                rm -rf -- "$building"
                die "could not prepare $name"
            fi
            chmod 0755 -- "$building"
            mv -T -- "$building" "$entry"
        fi
        exec {lock}>&-
    fi
    printf '%s' "$entry"
}

# run_maven FOLDER ARGUMENT...: quiet unless it fails. Registry and mirror are Maven's own
# configuration, not ours.
run_maven() {
    local folder=$1
    shift
    require_programs mvn=maven java=openjdk-17-jdk-headless
    if ! (cd -- "$folder" && mvn --batch-mode --quiet "$@") >"$folder/maven.log" 2>&1; then
        show_log_tail "$folder/maven.log"
        return 1
    fi
    rm -f -- "$folder/maven.log"
}
