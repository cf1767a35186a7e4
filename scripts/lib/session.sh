# shellcheck shell=bash
# Commands in their own session: all their child processes are found by the session id and stopped,
# without touching other processes.

# session_start COMMAND...: starts the command in the background, without input; sets $SESSION to its session id.
session_start() {
    # A background job leads no process group, so setsid does not fork and the pid stays the same.
    setsid "$@" </dev/null &
    # shellcheck disable=SC2034  # for the caller
    SESSION=$!
}

# session_members ID: "PID NAME" of every live process in the session, one per line.
session_members() {
    local file line
    local -a fields
    for file in /proc/[0-9]*/stat; do
        { read -r line <"$file"; } 2>/dev/null || continue
        # After the name in brackets: state, parent, process group, session.
        read -ra fields <<<"${line##*) }"
        [[ ${fields[3]} == "$1" && ${fields[0]} != [ZX] ]] || continue
        line=${line%)*}
        printf '%s %s\n' "${line%% *}" "${line#*(}"
    done
}

session_is_empty() { [[ -z $(session_members "$1") ]]; }

# session_signal ID SIGNAL
session_signal() {
    local pid _name
    while read -r pid _name; do
        kill -s "$2" "$pid" 2>/dev/null || true
    done < <(session_members "$1")
}

# session_stop ID: TERM, 10 s, KILL.
session_stop() {
    session_signal "$1" TERM
    wait_until 10 session_is_empty "$1" || session_kill "$1"
}

# session_kill ID
session_kill() {
    session_signal "$1" KILL
    wait_until 10 session_is_empty "$1" || die "these do not exit: $(session_members "$1" | tr '\n' ',')"
}
