# shellcheck shell=bash
# The settings of a stack, kept in its folder for later runs.

# shellcheck disable=SC2034  # read by the files of the parts
declare -A settings=(
    [parts]="redis mysql rocketmq"
    [durable]=no
    [secure]=no
    [prefix]=flashgate
    [queues]=4
    [brokers]=1
    # Not 5.5.0: its TransactionalOpBatchService keeps a core busy for ever from the first
    # transactional message on (apache/rocketmq#10966).
    [rocketmq_version]=5.4.0
    [mysql_disk_mb]=0
    [broker_disk_mb]=0
    [transaction_timeout_ms]=3000
    [transaction_check_interval_ms]=5000
)
# The settings of the command line; they override those of the folder.
declare -A asked=()
declare -A asked_ports=()

# require_number WHAT VALUE MIN MAX
require_number() {
    if [[ ! $2 =~ ^[0-9]{1,9}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        die "$1: expected a number from $3 to $4, got '$2'"
    fi
}

settings_load() {
    local key value
    [[ -r $STACK_DIR/settings ]] || return 0
    while IFS='=' read -r key value; do
        [[ -v settings[$key] ]] || die "$STACK_DIR/settings: unknown key '$key'"
        settings[$key]=$value
    done <"$STACK_DIR/settings"
}

settings_save() {
    local key
    for key in "${!settings[@]}"; do
        printf '%s=%s\n' "$key" "${settings[$key]}"
    done | sort >"$STACK_DIR/settings.new"
    mv -- "$STACK_DIR/settings.new" "$STACK_DIR/settings"
}

# settings_differing: the settings of the command line that differ from the folder's, one per line.
settings_differing() {
    local key
    for key in "${!asked[@]}"; do
        [[ ${settings[$key]} == "${asked[$key]}" ]] || printf '%s is %s\n' "$key" "${settings[$key]}"
    done
    for key in "${!asked_ports[@]}"; do
        [[ $(port_of "$key") == "${asked_ports[$key]}" ]] || printf 'the port of %s is %s\n' "$key" "$(port_of "$key")"
    done
}

settings_overlay() {
    local key
    for key in "${!asked[@]}"; do settings[$key]=${asked[$key]}; done
    for key in "${!asked_ports[@]}"; do port_store "$key" "${asked_ports[$key]}"; done
}

# One file per port, because the parts start concurrently.

port_of() { [[ ! -r $RUN_DIR/$1.port ]] || cat -- "$RUN_DIR/$1.port"; }

port_store() { printf '%s\n' "$2" >"$RUN_DIR/$1.port"; }

port_forget() { rm -f -- "$RUN_DIR/$1.port"; }
