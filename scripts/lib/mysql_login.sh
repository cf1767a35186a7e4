# shellcheck shell=bash
# A login to MySQL in plain bash, because the server's archive has no client program: with mysql_native_password, or
# over TLS with caching_sha2_password. Packets and scramble as in MySQL's "Client/Server Protocol", Connection Phase.

# mysql_login_succeeds PORT USER PASSWORD
mysql_login_succeeds() {
    if is_secure; then mysql_tls_login_succeeds "$@"; else mysql_native_login_succeeds "$@"; fi
}

# mysql_tls_login_succeeds PORT USER PASSWORD: openssl has read the greeting and its salt, so the scramble is wrong; then
# the server asks for the password itself.
mysql_tls_login_succeeds() {
    (
        tcp_open "$1" mysql || exit 1
        printf -v zeros '%046d' 0
        scramble=$(printf '%064d' 1)
        # The flags are those of openssl's request for TLS; with them the packet ends with attributes: none.
        payload=85ae7f00000000012d$zeros$(hex_of_text "$2")0020$scramble$(hex_of_text caching_sha2_password)0000
        write_hex "$(mysql_packet 02 "$payload")" >&4
        # 01 04: the server asks for the password.
        answer=$(mysql_read_packet <&3) || exit 1
        [[ $answer == 0104* ]] || exit 1
        write_hex "$(mysql_packet 04 "$(hex_of_text "$3")00")" >&4
        answer=$(mysql_read_packet <&3) || exit 1
        [[ $answer == 00* ]]
    ) 2>/dev/null
}

# mysql_packet SEQUENCE PAYLOAD: of less than 256 bytes.
mysql_packet() { printf '%02x0000%s%s' $((${#2} / 2)) "$1" "$2"; }

mysql_native_login_succeeds() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        greeting=$(mysql_read_packet <&3) || exit 1
        [[ $greeting == 0a* ]] || exit 1
        write_hex "$(mysql_login_packet "$2" "$3" "$(mysql_salt "$greeting")")" >&3
        answer=$(mysql_read_packet <&3) || exit 1
        # 00 is OK, ff an error, fe a request for another authentication method.
        [[ $answer == 00* ]]
    ) 2>/dev/null
}

# mysql_read_packet: 3 bytes of length (low byte first), 1 of sequence, the payload: as hex.
mysql_read_packet() {
    local head
    head=$(read_hex 4) || return 1
    read_hex $((16#${head:4:2}${head:2:2}${head:0:2}))
}

# mysql_salt GREETING: 8 bytes behind the version and the thread id, 12 more behind flags and
# filler.
mysql_salt() {
    local rest=${1:2}
    # The version is text up to a zero byte.
    while [[ ${rest:0:2} != 00 ]]; do rest=${rest:2}; done
    rest=${rest:2}
    printf '%s%s' "${rest:8:16}" "${rest:62:24}"
}

# mysql_scramble PASSWORD SALT: SHA1(password) XOR SHA1(salt . SHA1(SHA1(password)))
mysql_scramble() {
    local once mask i
    once=$(sha1_of_hex "$(hex_of_text "$1")")
    mask=$(sha1_of_hex "$2$(sha1_of_hex "$once")")
    for ((i = 0; i < 40; i += 2)); do
        printf '%02x' $((16#${once:i:2} ^ 16#${mask:i:2}))
    done
}

# mysql_login_packet USER PASSWORD SALT
mysql_login_packet() {
    local payload zeros
    printf -v zeros '%046d' 0
    # Flags: long password, protocol 4.1, secure connection, plugin authentication; packets of
    # up to 16 MiB; utf8mb4; 23 reserved bytes.
    payload=01820800000000012d$zeros
    payload+=$(hex_of_text "$1")00
    payload+=14$(mysql_scramble "$2" "$3")
    payload+=$(hex_of_text mysql_native_password)00
    mysql_packet 01 "$payload"
}
