# shellcheck shell=bash
# Small exchanges over TCP in plain bash: checking a server takes milliseconds and needs no client
# program. Everything is on 127.0.0.1.

TCP_TIMEOUT_SECONDS=3

# tcp_exchange_line PORT TEXT: sends TEXT (with printf escapes) and prints the first line of the answer.
tcp_exchange_line() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        # shellcheck disable=SC2059  # the escapes in the argument are meant
        printf "$2" >&3
        IFS= read -r -t "$TCP_TIMEOUT_SECONDS" line <&3
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
