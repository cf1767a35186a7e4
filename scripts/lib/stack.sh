# shellcheck shell=bash
# A stack: the servers of one folder. Sourced by scripts/stack; other scripts can source it too,
# if they set SCRIPTS_DIR and call stack_use_folder.
#
# DIR/settings   the settings           DIR/run/   pid files and ports
# DIR/stack.env  the addresses          DIR/log/   the output of each server
# DIR/tls/       certificates           DIR/secrets/   passwords of a secure stack
# DIR/redis, mysql, namesrv, broker, broker2 ...  configuration and data

# shellcheck source=scripts/lib/output.sh
source "$SCRIPTS_DIR/lib/output.sh"
# shellcheck source=scripts/lib/tcp.sh
source "$SCRIPTS_DIR/lib/tcp.sh"
# shellcheck source=scripts/lib/ports.sh
source "$SCRIPTS_DIR/lib/ports.sh"
# shellcheck source=scripts/lib/packages.sh
source "$SCRIPTS_DIR/lib/packages.sh"
# shellcheck source=scripts/lib/artifacts.sh
source "$SCRIPTS_DIR/lib/artifacts.sh"
# shellcheck source=scripts/lib/settings.sh
source "$SCRIPTS_DIR/lib/settings.sh"
# shellcheck source=scripts/lib/certificates.sh
source "$SCRIPTS_DIR/lib/certificates.sh"
# shellcheck source=scripts/lib/process.sh
source "$SCRIPTS_DIR/lib/process.sh"
# shellcheck source=scripts/lib/server.sh
source "$SCRIPTS_DIR/lib/server.sh"
# shellcheck source=scripts/lib/disk.sh
source "$SCRIPTS_DIR/lib/disk.sh"
# shellcheck source=scripts/lib/redis.sh
source "$SCRIPTS_DIR/lib/redis.sh"
# shellcheck source=scripts/lib/mysql.sh
source "$SCRIPTS_DIR/lib/mysql.sh"
# shellcheck source=scripts/lib/rocketmq.sh
source "$SCRIPTS_DIR/lib/rocketmq.sh"

ALL_SERVERS=(redis mysql namesrv "${ALL_BROKERS[@]}")

# stack_use_folder DIR: the folder need not exist.
stack_use_folder() {
    STACK_DIR=$(realpath -m -- "$1")
    RUN_DIR=$STACK_DIR/run
    LOG_DIR=$STACK_DIR/log
    settings_load
}

stack_exists() { [[ -f $STACK_DIR/settings ]]; }

stack_require() { stack_exists || die "there is no stack in $STACK_DIR (see: stack up --dir)"; }

# stack_lock: one change at a time; held until this script exits.
stack_lock() {
    local fd
    while true; do
        mkdir -p -- "$STACK_DIR"
        exec {fd}>"$STACK_DIR/lock"
        flock -w 300 "$fd" || die "another run has used $STACK_DIR for 5 minutes"
        # A purge may have removed the folder meanwhile: then the lock is on a deleted file.
        [[ ! $STACK_DIR/lock -ef /proc/self/fd/$fd ]] || return 0
        exec {fd}>&-
    done
}

# stack_servers: the servers of the chosen parts, in start order.
stack_servers() {
    local part
    rocketmq_choose_processes
    for part in ${settings[parts]}; do
        local -n processes=${part}_processes
        printf '%s\n' "${processes[@]}"
    done
}

# stack_expand PART...: the servers; `rocketmq` means all of its servers.
stack_expand() {
    local part
    rocketmq_choose_processes
    for part in "$@"; do
        case $part in
            rocketmq) printf '%s\n' "${rocketmq_processes[@]}" ;;
            redis | mysql | namesrv | broker | broker[2-4]) printf '%s\n' "$part" ;;
            *) die "unknown part '$part': expected redis, mysql, rocketmq, namesrv, broker or broker2 to broker4" ;;
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
    # A refused start leaves only `lock`, `run` and `log`.
    if [[ -d $STACK_DIR ]] && ! stack_exists &&
        [[ -n $(find "$STACK_DIR" -mindepth 1 -maxdepth 1 ! -name lock ! -name run ! -name log -print -quit) ]]; then
        die "$STACK_DIR is not empty and holds no stack"
    fi
    # The folder has a password and the data of MySQL and Redis.
    stack_lock
    chmod 0700 -- "$STACK_DIR"
    mkdir -p -- "$RUN_DIR" "$LOG_DIR"
}

# stack_apply_options: a running stack keeps its options.
stack_apply_options() {
    local difference name
    if stack_exists && stack_any_alive; then
        difference=$(settings_differing)
        [[ -z $difference ]] || die "$STACK_DIR runs with other options (${difference//$'\n'/, }): stack down first"
    else
        # Before they are stored: a later run would fail with them again.
        for name in "${!asked_ports[@]}"; do
            port_is_free "${asked_ports[$name]}" || die "$name: port ${asked_ports[$name]} is taken by another process"
        done
        settings_overlay
        settings_save
    fi
}

# stack_missing_packages: the missing Debian packages of the parts, one per line.
stack_missing_packages() {
    local part
    for part in ${settings[parts]}; do "${part}_missing_packages"; done
    ! is_secure_asked || has_program openssl || printf 'openssl\n'
}

# stack_prepare: checks all requirements before anything is created or started.
stack_prepare() {
    local part
    local -a packages
    mapfile -t packages < <(stack_missing_packages)
    install_packages "${packages[@]}"
    for part in ${settings[parts]}; do
        "${part}_prepare"
    done
    [[ -z ${asked[mysql_disk_mb]:-}${asked[broker_disk_mb]:-} ]] || disk_require
}

redis_up() { server_up redis; }

mysql_up() { server_up mysql; }

rocketmq_up() {
    local broker
    local -a jobs=()
    server_up namesrv
    for broker in $(rocketmq_brokers); do
        server_up "$broker" &
        jobs+=($!)
    done
    for broker in "${jobs[@]}"; do wait "$broker" || exit 1; done
    rocketmq_create_users
    topic_create_standard
}

stack_up() {
    local name part
    local -a jobs=()
    for name in $(stack_servers); do
        process_alive "$name" || server_require_free_ports "$name"
    done
    certificates_prepare
    STARTED_LIST=$(mktemp)
    trap stack_undo_start EXIT
    trap 'exit 130' INT TERM
    for part in ${settings[parts]}; do
        "${part}_up" &
        jobs+=($!)
    done
    # The first failure ends the start, without waiting for the others.
    for part in "${jobs[@]}"; do
        wait -n || exit 1
    done
    stack_write_env
    trap - EXIT INT TERM
    rm -f -- "$STARTED_LIST"
}

# stack_undo_start: stops what a failed start has started, and nothing else.
stack_undo_start() {
    local status=$? name job
    trap - EXIT INT TERM
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    wait
    say "stopping the servers that this run started"
    # A disk is removed after its server.
    while read -r name; do process_stop "$name"; done < <(sort -u "$STARTED_LIST" | grep -v -- '-disk$')
    while read -r name; do process_stop "$name"; done < <(sort -u "$STARTED_LIST" | grep -- '-disk$')
    rm -f -- "$STARTED_LIST"
    exit "$status"
}

# stack_stop SERVER...: concurrently, except that the broker unregisters at its name server first.
stack_stop() {
    local name job
    local -a jobs=()
    for name in "$@"; do
        [[ $name != namesrv ]] || continue
        process_stop "$name" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
    if [[ " $* " == *" namesrv "* ]]; then
        # It has no data that a kill could harm, and an orderly shutdown takes 4 s.
        process_signal namesrv KILL || true
        process_stop namesrv
    fi
}

stack_start() {
    local name
    for name in "$@"; do server_up "$name"; done
    # After a restart of the name server the broker must register before clients can find it.
    process_alive namesrv || return 0
    for name in "${ALL_BROKERS[@]}"; do
        ! process_alive "$name" || server_wait_ready "$name" || die "$name does not register with the name server"
    done
}

# stack_kill_all: kills without an orderly shutdown (RocketMQ's takes 10 s), for data that is discarded.
stack_kill_all() {
    local name
    for name in "${ALL_SERVERS[@]}"; do process_signal "$name" KILL || true; done
    for name in "${ALL_SERVERS[@]}"; do
        process_wait_gone "$name" 10 || die "$name (pid $(process_pid "$name")) does not exit"
    done
    disk_close_all
}

stack_write_env() {
    local file=$STACK_DIR/stack.env part broker
    {
        stack_export FLASHGATE_STACK_DIR "$STACK_DIR"
        # Of topics; in a secure stack also of the keys that users have rights on.
        stack_export FLASHGATE_TOPIC_PREFIX "${settings[prefix]}"
        ! is_secure || stack_export_secure
        for part in ${settings[parts]}; do
            case $part in
                redis) stack_export FLASHGATE_REDIS_URL "$(redis_url)" ;;
                mysql) stack_export FLASHGATE_MYSQL_URL "$(mysql_url)" ;;
                rocketmq)
                    stack_export FLASHGATE_NAMESRV "127.0.0.1:$(port_of namesrv)"
                    for broker in $(rocketmq_brokers); do
                        stack_export "FLASHGATE_${broker^^}" "127.0.0.1:$(port_of "$broker")"
                    done
                    ;;
            esac
        done
    } >"$file.new"
    mv -- "$file.new" "$file"
}

# stack_export_secure: what clients of a secure stack need besides: certificates, users, passwords.
stack_export_secure() {
    local user
    stack_export FLASHGATE_CA "$(tls_file ca.pem)"
    stack_export FLASHGATE_UNKNOWN_CA "$(tls_file unknown-ca.pem)"
    stack_export FLASHGATE_CLIENT_CERTIFICATE "$(tls_file client.pem)"
    stack_export FLASHGATE_CLIENT_KEY "$(tls_file client.key)"
    for user in "${SECURE_USERS[@]}"; do
        [[ " ${settings[parts]} " == *" ${user%%-*} "* ]] || continue
        stack_export "FLASHGATE_$(tr a-z- A-Z_ <<<"$user")_PASSWORD" "$(secret "$user")"
    done
}

# PART-USER of a secure stack: the user is known to that part under the name behind the hyphen.
SECURE_USERS=(
    redis-administrator redis-gateway mysql-migrator mysql-worker
    rocketmq-administrator rocketmq-operator rocketmq-gateway rocketmq-worker
)

stack_export() { printf 'export %s=%q\n' "$1" "$2"; }

# stack_status: prints a table; fails unless every server of the stack answers.
stack_status() {
    local name state pid memory uptime all_well=0
    printf '%-8s %-14s %8s %8s %9s  %s\n' SERVER STATE PID MEMORY UPTIME PORTS
    for name in $(stack_servers); do
        state=stopped pid=- memory=- uptime=-
        if pid=$(process_pid "$name"); then
            state=running
            server_ready "$name" || state="not answering"
            # Without mapped files, which for RocketMQ are gigabytes of page cache.
            memory=$(awk '/^RssAnon/ { printf "%d MB", $2 / 1024 }' "/proc/$pid/status" 2>/dev/null) || true
            uptime=$(ps -o etime= -p "$pid" 2>/dev/null | tr -d ' ') || true
        fi
        [[ $state == running ]] || all_well=1
        printf '%-8s %-14s %8s %8s %9s  %s\n' "$name" "$state" "${pid:--}" "$memory" "$uptime" "$("${name}_ports")"
    done
    return "$all_well"
}

# stack_log_files SERVER: its output and, for RocketMQ, which prints little, its own log.
stack_log_files() {
    local file
    for file in "$(process_log "$1")" "$STACK_DIR/$1/logs/rocketmqlogs/$1.log"; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}
