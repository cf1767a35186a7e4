# shellcheck shell=bash
# A stack: the servers of one folder. Sourced by scripts/stack; another script may source it
# too, after setting SCRIPTS_DIR and calling stack_use_folder.
#
# DIR/settings   the choices            DIR/run/   pid files and ports
# DIR/stack.env  the addresses          DIR/log/   what each server printed
# DIR/redis, mysql, namesrv, broker     configuration and data

for library in output tcp ports packages artifacts settings process server redis mysql rocketmq; do
    # shellcheck source=/dev/null
    source "$SCRIPTS_DIR/lib/$library.sh"
done
unset library

ALL_SERVERS=(redis mysql namesrv broker)

# stack_use_folder DIR: the folder need not exist.
stack_use_folder() {
    STACK_DIR=$(realpath -m -- "$1")
    RUN_DIR=$STACK_DIR/run
    LOG_DIR=$STACK_DIR/log
    settings_load
}

stack_exists() { [[ -f $STACK_DIR/settings ]]; }

stack_require() { stack_exists || die "there is no stack in $STACK_DIR (see: stack up --dir)"; }

# stack_lock: one change at a time; held until this script ends.
stack_lock() {
    local fd
    exec {fd}>"$STACK_DIR/lock"
    flock -w 300 "$fd" || die "another run has been working on $STACK_DIR for 5 minutes"
}

# stack_servers: the servers of the chosen parts, in the order of their start.
stack_servers() {
    local part
    for part in ${settings[parts]}; do
        local -n processes=${part}_processes
        printf '%s\n' "${processes[@]}"
    done
}

# stack_expand PART...: servers; `rocketmq` stands for both of its own.
stack_expand() {
    local part
    for part in "$@"; do
        case $part in
            rocketmq) printf '%s\n' "${rocketmq_processes[@]}" ;;
            redis | mysql | namesrv | broker) printf '%s\n' "$part" ;;
            *) die "unknown part '$part': expected redis, mysql, rocketmq, namesrv or broker" ;;
        esac
    done
}

stack_any_alive() {
    local name
    for name in "${ALL_SERVERS[@]}"; do
        if process_alive "$name"; then return 0; fi
    done
    return 1
}

stack_create_folder() {
    if [[ -d $STACK_DIR ]] && ! stack_exists && [[ -n $(ls -A -- "$STACK_DIR") ]]; then
        die "$STACK_DIR is not empty and holds no stack"
    fi
    # The folder holds a password, and MySQL's and Redis' data.
    mkdir -p -- "$STACK_DIR" && chmod 0700 -- "$STACK_DIR"
    mkdir -p -- "$RUN_DIR" "$LOG_DIR"
    stack_lock
}

# stack_apply_options: a running stack keeps the options that it runs with.
stack_apply_options() {
    local difference
    if stack_exists && stack_any_alive; then
        difference=$(settings_differing)
        [[ -z $difference ]] || die "$STACK_DIR runs with other options (${difference//$'\n'/, }): stack down first"
    else
        settings_overlay
        settings_save
    fi
}

# stack_prepare: everything that can be missing, before anything is created or started.
stack_prepare() {
    local part missing=""
    for part in ${settings[parts]}; do
        missing+=" $("${part}_missing_packages" | tr '\n' ' ')"
    done
    # shellcheck disable=SC2086  # a list of package names
    install_packages $missing
    for part in ${settings[parts]}; do
        "${part}_prepare"
    done
}

redis_up() { server_up redis; }

mysql_up() { server_up mysql; }

rocketmq_up() {
    server_up namesrv
    server_up broker
    topic_create_standard
}

stack_up() {
    local part job failed=no
    local -a jobs=()
    STARTED_LIST=$(mktemp)
    trap stack_undo_start EXIT
    trap 'exit 130' INT TERM
    for part in ${settings[parts]}; do
        "${part}_up" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=yes
    done
    [[ $failed == no ]] || exit 1
    stack_write_env
    trap - EXIT INT TERM
    rm -f -- "$STARTED_LIST"
}

# stack_undo_start: a start that failed half-way leaves nothing of its own behind, and leaves
# alone what ran before it.
stack_undo_start() {
    local status=$? name job
    trap - EXIT INT TERM
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    wait
    say "stopping what this run had started"
    while read -r name; do process_stop "$name"; done < <(sort -u "$STARTED_LIST")
    rm -f -- "$STARTED_LIST"
    exit "$status"
}

# stack_stop SERVER...: side by side, except that the broker says goodbye to its name server.
stack_stop() {
    local name
    for name in "$@"; do
        [[ $name == namesrv ]] || process_stop "$name" &
    done
    wait
    [[ " $* " != *" namesrv "* ]] || process_stop namesrv
}

# stack_start SERVER...: also creates the topics again, should the broker have lost them.
stack_start() {
    local name
    for name in "$@"; do server_up "$name"; done
}

stack_write_env() {
    local file=$STACK_DIR/stack.env part
    {
        stack_export FLASHGATE_STACK_DIR "$STACK_DIR"
        for part in ${settings[parts]}; do
            case $part in
                redis) stack_export FLASHGATE_REDIS_URL "redis://127.0.0.1:$(port_of redis)" ;;
                mysql) stack_export FLASHGATE_MYSQL_URL "$(mysql_url)" ;;
                rocketmq)
                    stack_export FLASHGATE_NAMESRV "127.0.0.1:$(port_of namesrv)"
                    stack_export FLASHGATE_BROKER "127.0.0.1:$(port_of broker)"
                    stack_export FLASHGATE_TOPIC_PREFIX "${settings[prefix]}"
                    ;;
            esac
        done
    } >"$file.new"
    mv -- "$file.new" "$file"
}

stack_export() { printf 'export %s=%q\n' "$1" "$2"; }

# stack_status: a table; fails unless every server of the stack answers.
stack_status() {
    local name state pid memory uptime all_well=0
    printf '%-8s %-14s %8s %8s %9s  %s\n' SERVER STATE PID MEMORY UPTIME PORTS
    for name in $(stack_servers); do
        state=stopped pid=- memory=- uptime=-
        if pid=$(process_pid "$name"); then
            state=running
            server_ready "$name" || state="not answering"
            memory=$(awk '/^VmRSS/ { printf "%d MB", $2 / 1024 }' "/proc/$pid/status" 2>/dev/null) || true
            uptime=$(ps -o etime= -p "$pid" 2>/dev/null | tr -d ' ') || true
        fi
        [[ $state == running ]] || all_well=1
        printf '%-8s %-14s %8s %8s %9s  %s\n' "$name" "$state" "${pid:--}" "$memory" "$uptime" "$("${name}_ports")"
    done
    return "$all_well"
}

# stack_log_files SERVER: what it printed, and for RocketMQ, which prints little, its own log.
stack_log_files() {
    local file
    for file in "$(process_log "$1")" "$STACK_DIR/$1/logs/rocketmqlogs/$1.log"; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}
