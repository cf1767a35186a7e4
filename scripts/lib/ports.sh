# shellcheck shell=bash
# Free TCP ports, from /proc/net/tcp: needs neither ss nor a trial bind.

# Below the kernel's ephemeral range (from 32768), where an outgoing connection could take a port
# between this check and the server's bind.
PORT_RANGE_START=20000
PORT_RANGE_LENGTH=12000

# port_listener_inodes PORT: the inodes of the sockets that listen on the port, on any address.
port_listener_inodes() {
    awk -v port="$(printf '%04X' "$1")" \
        '$4 == "0A" { split($2, local, ":"); if (local[2] == port) print $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

port_is_free() { [[ -z $(port_listener_inodes "$1") ]]; }

# port_choose [OFFSET...]: a random free port whose offsets are free too.
port_choose() {
    local attempt port offset
    for ((attempt = 0; attempt < 200; attempt++)); do
        port=$((PORT_RANGE_START + SRANDOM % PORT_RANGE_LENGTH))
        for offset in 0 "$@"; do
            port_is_free $((port + offset)) || continue 2
        done
        printf '%s' "$port"
        return
    done
    die "no free port between $PORT_RANGE_START and $((PORT_RANGE_START + PORT_RANGE_LENGTH))"
}
