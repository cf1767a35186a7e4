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
$(redis_listener)
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

# redis_listener: the settings of the port. A secure server has no other port, and users instead of the default one.
redis_listener() {
    if ! is_secure; then
        printf 'port %s\n' "$(port_of redis)"
        return
    fi
    redis_users >"$STACK_DIR/redis/users.acl"
    cat <<EOF
port 0
tls-port $(port_of redis)
tls-cert-file "$(tls_file redis.pem)"
tls-key-file "$(tls_file redis.key)"
tls-ca-cert-file "$(tls_file ca.pem)"
tls-auth-clients optional
tls-protocols "TLSv1.2 TLSv1.3"
aclfile "$STACK_DIR/redis/users.acl"
EOF
}

# The commands of a gateway: those of its connections, those that it calls itself, those of its scripts
# (crates/ledger-redis/lua/probe.lua tries each).
REDIS_GATEWAY_COMMANDS=(
    auth hello ping asking evalsha eval incr info hscan subscribe unsubscribe
    hset hsetnx hget hmget hlen hincrby hdel zadd zscore zcard zrange zrem set get incrby decrby exists pexpire time
    unlink publish
)

# redis_users: the file of users; passwords as SHA-256.
redis_users() {
    local prefix=${settings[prefix]}
    # Nobody can log in as the default user, but it needs all rights: Redis 7.0 loads its log as this user, and without
    # them drops every transaction, that is every script, from the data of a restarted server.
    printf 'user default off resetpass ~* &* +@all\n'
    printf 'user administrator on #%s ~* &* +@all\n' "$(redis_password_digest administrator)"
    printf 'user gateway on #%s ~%s:* &%s:events -@all' "$(redis_password_digest gateway)" "$prefix" "$prefix"
    printf ' +%s' "${REDIS_GATEWAY_COMMANDS[@]}"
    printf '\n'
}

redis_password_digest() { secret "redis-$1" | sha256sum | cut -c1-64; }

# redis_url: for an administrator.
redis_url() {
    if is_secure; then
        printf 'rediss://administrator:%s@127.0.0.1:%s' "$(secret redis-administrator)" "$(port_of redis)"
    else
        printf 'redis://127.0.0.1:%s' "$(port_of redis)"
    fi
}

redis_spawn() { process_spawn redis "$(redis_executable)" "$STACK_DIR/redis/redis.conf"; }

redis_answers() {
    local text='PING\r\n' line=1
    if is_secure; then text="AUTH administrator $(secret redis-administrator)\\r\\n$text" line=2; fi
    # A server that loads its log answers -LOADING, not PONG.
    [[ $(tcp_exchange_line "$(port_of redis)" "$text" "$line") == +PONG* ]]
}
