# shellcheck shell=bash
# Output of scripts: progress on stderr, results on stdout.

say() { printf '%s\n' "$*" >&2; }

warn() { printf 'warning: %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# show_log_tail FILE: prints the last lines of a server's log, indented, after a failed start.
show_log_tail() {
    if [[ -s $1 ]]; then
        say "last lines of $1:"
        tail -n 20 -- "$1" | sed 's/^/    /' >&2
    else
        say "$1 is empty"
    fi
}
