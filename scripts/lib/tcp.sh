# shellcheck shell=bash
# Small exchanges over TCP in plain bash: checking a server takes milliseconds and needs no client
# program. Everything is on 127.0.0.1.

TCP_TIMEOUT_SECONDS=3

# tcp_open PORT [STARTTLS]: for a subshell: connects its file descriptors 3 (to read) and 4 (to write), over TLS in a
# secure stack. The certificate is not verified: server_ready has checked that our own process listens, and a drill may
# have given it an expired certificate.
tcp_open() {
    if ! is_secure; then
        exec 3<>"/dev/tcp/127.0.0.1/$1" && exec 4>&3
        return
    fi
    # -quiet: else a line that begins with Q would end the connection.
    coproc TLS { exec openssl s_client -quiet -connect "127.0.0.1:$1" ${2:+-starttls "$2"} 2>/dev/null; }
    # shellcheck disable=SC2064  # the process of now
    trap "kill $TLS_PID 2>/dev/null" EXIT
    exec 3<&"${TLS[0]}" 4>&"${TLS[1]}"
}

# tcp_exchange_line PORT TEXT [LINE]: sends TEXT (with printf escapes) and prints a line of the answer, by default the
# first.
tcp_exchange_line() {
    (
        tcp_open "$1" || exit 1
        # shellcheck disable=SC2059  # the escapes in the argument are meant
        printf "$2" >&4
        for ((number = 0; number < ${3:-1}; number++)); do
            IFS= read -r -t "$TCP_TIMEOUT_SECONDS" line <&3 || exit 1
        done
        printf '%s' "$line"
    ) 2>/dev/null
}

# Binary data is passed as hex digits: a shell variable cannot hold a zero byte.

# hex_of_text TEXT
hex_of_text() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# write_hex DIGITS: writes the bytes to stdout.
write_hex() {
    local escaped
    # shellcheck disable=SC2001  # bash before 5.2 has no & in a replacement
    escaped=$(sed 's/../\\x&/g' <<<"$1")
    printf '%b' "$escaped"
}

# read_hex COUNT: reads COUNT bytes from stdin as hex digits; fails on a short read or a timeout.
read_hex() {
    local digits
    digits=$(timeout "$TCP_TIMEOUT_SECONDS" head -c "$1" | od -An -v -tx1 | tr -d ' \n')
    ((${#digits} == 2 * $1)) || return 1
    printf '%s' "$digits"
}

sha1_of_hex() { write_hex "$1" | sha1sum | cut -c1-40; }
