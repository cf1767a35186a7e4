# shellcheck shell=bash
# shellcheck disable=SC2154  # settings, STACK_DIR: lib/settings.sh, lib/stack.sh
# shellcheck disable=SC2034  # the server lists are read by lib/stack.sh
# Redis: the server of the ledger.

redis_processes=(redis)

# Debian's package redis-tools has the whole executable: the server is the same file under another
# name. The package redis-server would add a system service with a second Redis on port 6379.
redis_missing_packages() {
    has_program redis-server || has_program redis-check-rdb || printf 'redis-tools\n'
}

redis_prepare() { redis_executable >/dev/null; }

redis_executable() {
    local folder
    if has_program redis-server; then
        command -v redis-server
    else
        folder=$(cached redis-alias redis_build_alias)
        printf '%s/redis-server' "$folder"
    fi
}

# Redis selects its mode by the name of its executable.
redis_build_alias() { ln -s -- "$(command -v redis-check-rdb)" "$1/redis-server"; }

redis_choose_ports() { port_store redis "$(port_choose)"; }

redis_ports() { port_of redis; }

redis_configure() {
    local fsync=everysec
    # With `everysec` an append reaches the kernel before the client gets its answer, unless the last
    # sync still runs: then the append waits for up to 2 s, and a killed process loses acknowledged writes.
    [[ ${settings[durable]} == yes ]] && fsync=always
    mkdir -p -- "$STACK_DIR/redis"
    cat >"$STACK_DIR/redis/redis.conf" <<EOF
bind 127.0.0.1
port $(port_of redis)
protected-mode yes
dir "$STACK_DIR/redis"
appendonly yes
appendfsync $fsync
save ""
# A ledger must refuse a write rather than evict older data.
maxmemory-policy noeviction
# Fault drills may use DEBUG SLEEP; the listener is on loopback.
enable-debug-command local
EOF
}

redis_spawn() { process_spawn redis "$(redis_executable)" "$STACK_DIR/redis/redis.conf"; }

redis_answers() {
    # A server that loads its log answers -LOADING, not PONG.
    [[ $(tcp_exchange_line "$(port_of redis)" 'PING\r\n') == +PONG* ]]
}
