# shellcheck shell=bash
# Servers as background processes with pid files.
#
# A pid file holds "PID START_TICKS BOOT_ID". A pid alone may have been reused by another process;
# with the same start time and boot it cannot. No process is signalled without that check.
#
# Uses: $RUN_DIR (pid files), $LOG_DIR (one log a process),
#       $STARTED_LIST (optional: a file for the names that this run spawned).

# An idle broker takes 10 s, and more if it has data to flush.
STOP_SECONDS=60

process_pid_file() { printf '%s/%s.pid' "$RUN_DIR" "$1"; }

process_log() { printf '%s/%s.log' "$LOG_DIR" "$1"; }

BOOT_ID=$(</proc/sys/kernel/random/boot_id)

# process_stat PID: prints "STATE START_TICKS", fields 3 and 22 of /proc/PID/stat. The name in
# field 2 may contain blanks and brackets, so counting starts after the last bracket.
process_stat() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    printf '%s %s' "${fields[0]}" "${fields[19]}"
}

# process_pid NAME: prints the pid if the started process is alive, else fails.
process_pid() {
    local pid start boot state start_now file
    file=$(process_pid_file "$1")
    [[ -r $file ]] || return 1
    read -r pid start boot <"$file" || return 1
    [[ $boot == "$BOOT_ID" ]] || return 1
    read -r state start_now <<<"$(process_stat "$pid")" || return 1
    # A zombie has exited and waits for its parent.
    [[ $start_now == "$start" && $state != Z && $state != X ]] || return 1
    printf '%s' "$pid"
}

process_alive() { process_pid "$1" >/dev/null; }

# process_spawn NAME COMMAND...: starts COMMAND in its own session, with output to the log.
process_spawn() {
    local name=$1 pid stat start
    shift
    printf -- '--- %(%FT%T%z)T start: %s\n' -1 "$name" >>"$(process_log "$name")"
    (
        # A server must not inherit locks or the caller's pipes: it would hold them for ever.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd > 2)) && eval "exec $fd>&-"
        done
        exec setsid "$@"
    ) </dev/null >>"$(process_log "$name")" 2>&1 &
    pid=$!
    stat=$(process_stat "$pid") || stat="X 0"
    start=${stat#* }
    printf '%s %s %s\n' "$pid" "$start" "$BOOT_ID" >"$(process_pid_file "$name")"
    [[ -z ${STARTED_LIST:-} ]] || printf '%s\n' "$name" >>"$STARTED_LIST"
}

# process_signal NAME SIGNAL: fails if the process is not alive.
process_signal() {
    local pid
    pid=$(process_pid "$1") || return 1
    kill -s "$2" "$pid" 2>/dev/null
}

# process_wait_gone NAME SECONDS
process_wait_gone() {
    local deadline=$((SECONDS + $2))
    while process_alive "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# process_stop NAME: TERM, wait, then KILL. Also succeeds if there is nothing to stop.
process_stop() {
    local name=$1
    if process_signal "$name" TERM; then
        # A process that a drill has stopped does not handle TERM until it continues.
        process_signal "$name" CONT || true
        if ! process_wait_gone "$name" "$STOP_SECONDS"; then
            warn "$name did not exit within $STOP_SECONDS s of TERM; killing it"
            process_signal "$name" KILL || true
            process_wait_gone "$name" 10 || die "$name (pid $(process_pid "$name")) does not exit"
        fi
    fi
    rm -f -- "$(process_pid_file "$name")"
}

# process_listens_on NAME PORT: whether the listening socket belongs to this process and not to
# another one that took the port first.
process_listens_on() {
    local pid inode
    pid=$(process_pid "$1") || return 1
    for inode in $(port_listener_inodes "$2"); do
        [[ -z $(find "/proc/$pid/fd" -lname "socket:\[$inode\]" -print -quit 2>/dev/null) ]] || return 0
    done
    return 1
}
