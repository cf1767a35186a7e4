# shellcheck shell=bash
# System programs and libraries: detects missing ones and installs Debian packages.

has_program() { command -v -- "$1" >/dev/null 2>&1; }

has_library() { [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p) == *"$1 "* ]]; }

# as_root COMMAND...: runs the command directly as root, otherwise through sudo.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif [[ -t 0 ]]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

can_become_root() {
    ((EUID == 0)) && return
    has_program sudo || return 1
    # Without a terminal sudo must not need a password.
    [[ -t 0 ]] || sudo -n true 2>/dev/null
}

# install_packages PACKAGE...: installs Debian packages, or fails with a message that names them.
install_packages() {
    local log
    (($# > 0)) || return 0
    if ! has_program apt-get || ! can_become_root; then
        die "missing Debian packages, and neither root nor sudo to install them: $*"
    fi
    say "installing Debian packages: $*"
    log=$(mktemp)
    if ! apt_install "$@" >"$log" 2>&1; then
        show_log_tail "$log"
        rm -f -- "$log"
        die "apt-get failed to install: $*"
    fi
    rm -f -- "$log"
}

apt_install() {
    local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300
        install -y --no-install-recommends "$@")
    # The package lists may be missing (a new container) or outdated: update them and retry once.
    as_root "${install[@]}" && return
    as_root apt-get -o DPkg::Lock::Timeout=300 update && as_root "${install[@]}"
}

# require_programs NAME=PACKAGE...: fails with all missing ones in one message.
require_programs() {
    local pair
    local -a missing=()
    for pair in "$@"; do
        has_program "${pair%%=*}" || missing+=("${pair%%=*} (Debian package ${pair#*=})")
    done
    ((${#missing[@]} == 0)) || die "missing programs: $(join_by ', ' "${missing[@]}")"
}

join_by() {
    local separator=$1 first=$2
    shift 2
    printf '%s' "$first" "${@/#/$separator}"
}
