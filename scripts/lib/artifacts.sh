# shellcheck shell=bash
# Maven artifacts and files made from them, kept outside the repository and shared by all stacks
# of this user. An entry is built in a temporary folder and renamed, so that it is complete or
# absent; a lock allows concurrent runs.

CACHE_DIR=${FLASHGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flashgate}

# cached NAME BUILDER [ARGUMENT...]: prints the path of the entry. If the entry does not exist, calls
# BUILDER FOLDER [ARGUMENT...], which fills the folder.
cached() {
    local name=$1 builder=$2 entry=$CACHE_DIR/$1 building lock
    shift 2
    if [[ ! -e $entry ]]; then
        mkdir -p -- "$CACHE_DIR"
        exec {lock}>"$CACHE_DIR/$name.lock"
        flock "$lock"
        if [[ ! -e $entry ]]; then
            # Left by an interrupted run; no other run builds while we hold the lock.
            rm -rf -- "$CACHE_DIR/$name".building.*
            building=$(mktemp -d -- "$CACHE_DIR/$name.building.XXXXXX")
            if ! "$builder" "$building" "$@" >&2; then
                rm -rf -- "$building"
                die "cannot prepare $name"
            fi
            chmod 0755 -- "$building"
            mv -T -- "$building" "$entry"
        fi
        exec {lock}>&-
    fi
    printf '%s' "$entry"
}

# run_maven FOLDER ARGUMENT...: prints output only on failure. Maven's own configuration selects
# registry and mirror.
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
