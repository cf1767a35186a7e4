# shellcheck shell=bash
# Starts and stops servers. A server NAME defines NAME_choose_ports, NAME_ports, NAME_configure,
# NAME_spawn and NAME_answers, and optionally NAME_while_waiting, which is called repeatedly until
# the server answers.

READY_SECONDS=90
# Another process can take a chosen port before the server binds it.
PORT_ATTEMPTS=3

# wait_until SECONDS COMMAND...
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# server_ready NAME: the server is alive, listens with its own socket, and answers.
server_ready() {
    local ports
    process_alive "$1" || return 1
    ports=$("$1_ports")
    process_listens_on "$1" "${ports%% *}" && "$1_answers"
}

server_wait_ready() {
    local deadline=$((SECONDS + READY_SECONDS))
    until server_ready "$1"; do
        if ! process_alive "$1" || ((SECONDS >= deadline)); then return 1; fi
        if declare -F "$1_while_waiting" >/dev/null; then "$1_while_waiting"; fi
        sleep 0.2
    done
}

server_lost_its_port() {
    tail -n 60 -- "$(process_log "$1")" | grep -qiE 'address already in use|BindException|bind on TCP/IP port'
}

server_require_free_ports() {
    local port
    for port in $("$1_ports"); do
        port_is_free "$port" || die "$1: port $port is taken by another process"
    done
}

# server_up NAME: starts the server unless it runs, and waits until it answers.
server_up() {
    local name=$1 attempt choose=no
    if process_alive "$name"; then
        server_wait_ready "$name" ||
            die "$name is alive (pid $(process_pid "$name")) but does not answer: stack kill $name, then up again"
        say "$name: already running on port $(port_of "$name")"
        return
    fi
    [[ -n $(port_of "$name") ]] || choose=yes
    for ((attempt = 1; attempt <= PORT_ATTEMPTS; attempt++)); do
        [[ $choose == no ]] || "${name}_choose_ports"
        server_require_free_ports "$name"
        disk_open "$name"
        "${name}_configure"
        "${name}_spawn"
        if server_wait_ready "$name"; then
            say "$name: answers on port $(port_of "$name")"
            return
        fi
        process_stop "$name"
        if [[ $choose == no ]] || ! server_lost_its_port "$name"; then break; fi
        say "$name: port $(port_of "$name") was taken meanwhile, choosing another"
    done
    show_log_tail "$(process_log "$name")"
    [[ $choose == no ]] || port_forget "$name"
    die "$name did not start"
}
