# shellcheck shell=bash
# Free TCP ports. Reads /proc/net/tcp, so that it needs neither ss nor a trial bind.

# Below the kernel's ephemeral range (32768 up), where an outgoing connection could take a port
# between our look and the server's bind.
PORT_RANGE_START=20000
PORT_RANGE_LENGTH=12000

# port_listener_inodes PORT: the inodes of the sockets that listen on it, on any address.
port_listener_inodes() {
    awk -v port="$(printf '%04X' "$1")" \
        '$4 == "0A" { split($2, local, ":"); if (local[2] == port) print $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

port_is_free() { [[ -z $(port_listener_inodes "$1") ]]; }

# port_choose [OFFSET...]: a random port that is free, and so is each port at the offsets.
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
