# shellcheck shell=bash
# Commands in a session of their own: all that they start, and whatever that starts, is found
# again by the session's id, and stopped, without touching anything else.

# session_start COMMAND...: in the background, without input; its session id is then in $SESSION.
session_start() {
    # A background job leads no process group, so setsid does not fork: its pid stays ours.
    setsid "$@" </dev/null &
    # shellcheck disable=SC2034  # for the caller
    SESSION=$!
}

# session_members ID: "PID NAME" of every process that lives in it, one a line.
session_members() {
    local file line
    local -a fields
    for file in /proc/[0-9]*/stat; do
        { read -r line <"$file"; } 2>/dev/null || continue
        # Behind the name in brackets: state, parent, process group, session.
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
    wait_until 10 session_is_empty "$1" || die "these do not end: $(session_members "$1" | tr '\n' ',')"
}
