# shellcheck shell=bash
# One HTTP request to a flashgate service on 127.0.0.1, in plain bash.

# http_request PORT METHOD PATH [BODY]: prints the body of the response; fails unless the status is 2xx.
http_request() {
    local port=$1 method=$2 path=$3 body=${4:-} answer status
    answer=$(
        exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
        printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n' "$method" "$path" "$port" >&3
        # Bodies are ASCII here: one character is one byte.
        [[ -z $body ]] || printf 'Content-Type: application/json\r\nContent-Length: %d\r\n' "${#body}" >&3
        printf '\r\n%s' "$body" >&3
        timeout 10 cat <&3
    ) 2>/dev/null || return 1
    [[ $answer == "HTTP/1.1 "* ]] || return 1
    status=${answer#* }
    printf '%s' "${answer#*$'\r\n\r\n'}"
    [[ $status == 2* ]]
}

# json_text NAME: prints a text member of the JSON on stdin, at any depth; fails if there is none.
json_text() {
    local text
    text=$(cat)
    [[ $text =~ \"$1\":\"([^\"]*)\" ]] || return 1
    printf '%s' "${BASH_REMATCH[1]}"
}
