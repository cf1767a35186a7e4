# shellcheck shell=bash
# shellcheck disable=SC2154  # SHOP_DIR, BIN_DIR: scripts/run-local; FLASHGATE_*: stack.env
# A deployment of flashgate on a stack: an order worker and some gateways, as servers of
# lib/server.sh. Configurations are in SHOP_DIR, binaries in BIN_DIR.

# --- the order worker ---

worker_choose_ports() { port_store worker "$(port_choose)"; }

worker_ports() { port_of worker; }

worker_configure() {
    cat >"$SHOP_DIR/worker.toml" <<EOF
# Every key: order-worker/config.sample.toml
[order_store]
url = "$FLASHGATE_MYSQL_URL"

[rocketmq]
name_servers = ["$FLASHGATE_NAMESRV"]
prefix = "$FLASHGATE_TOPIC_PREFIX"

[operator]
listen = "127.0.0.1:$(port_of worker)"
EOF
}

worker_spawn() { process_spawn worker "$BIN_DIR/order-worker" serve --config "$SHOP_DIR/worker.toml"; }

worker_answers() { shop_ready "$(port_of worker)"; }

# --- the gateways: gateway-1, gateway-2, ... ---

# shop_define_gateway NAME: defines its functions for lib/server.sh.
shop_define_gateway() {
    eval "$1_choose_ports() { gateway_choose_ports $1; }
          $1_ports() { gateway_ports $1; }
          $1_configure() { gateway_configure $1; }
          $1_spawn() { process_spawn $1 \"\$BIN_DIR/gateway\" serve --config \"\$SHOP_DIR/$1.toml\"; }
          $1_answers() { shop_ready \"\$(port_of $1)\"; }"
}

# The ports for gRPC and operators are stored beside the server's own port, which is for HTTP.
gateway_choose_ports() {
    port_store "$1" "$(port_choose)"
    port_store "$1-grpc" "$(port_choose)"
    port_store "$1-operator" "$(port_choose)"
}

gateway_ports() { printf '%s %s %s' "$(port_of "$1")" "$(port_of "$1-grpc")" "$(port_of "$1-operator")"; }

gateway_configure() {
    cat >"$SHOP_DIR/$1.toml" <<EOF
# Every key: gateway/config.sample.toml
[listen]
http = "127.0.0.1:$(port_of "$1")"
grpc = "127.0.0.1:$(port_of "$1-grpc")"
operator = "127.0.0.1:$(port_of "$1-operator")"

[redis]
urls = ["$FLASHGATE_REDIS_URL"]
prefix = "$FLASHGATE_TOPIC_PREFIX"

[rocketmq]
name_servers = ["$FLASHGATE_NAMESRV"]
prefix = "$FLASHGATE_TOPIC_PREFIX"

[worker]
url = "http://127.0.0.1:$(port_of worker)"
EOF
}

# --- both ---

# shop_ready PORT
shop_ready() {
    local line
    line=$(tcp_exchange_line "$1" 'GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    [[ $line == "HTTP/1.1 200 "* ]]
}

# shop_settle_ports SERVER PORT_NAME=GIVEN...: uses the given ports. Without any, uses those of an
# earlier run if all are free, else new ones.
shop_settle_ports() {
    local server=$1 port pair chosen=no
    shift
    for port in $("${server}_ports"); do
        chosen=yes
        port_is_free "$port" || { chosen=no && break; }
    done
    [[ $chosen == yes ]] || "${server}_choose_ports"
    for pair in "$@"; do
        [[ -z ${pair#*=} ]] || port_store "${pair%%=*}" "${pair#*=}"
    done
}

# shop_open_sale: creates and preheats a sale that is open for a day; prints its id.
shop_open_sale() {
    local now body sale
    printf -v now '%(%s)T' -1
    printf -v body '{"title": "Kettle", "price_minor": 1999, "currency": "EUR", "stock": 100, "limit_per_buyer": 2, %s}' \
        "\"opens_at_ms\": $((now - 60))000, \"closes_at_ms\": $((now + 86400))000"
    sale=$(http_request "$(port_of worker)" POST /v1/sales "$body" | json_text id) || return 1
    http_request "$(port_of worker)" POST "/v1/sales/$sale/preheat" >/dev/null || return 1
    printf '%s' "$sale"
}

# shop_sells PORT SALE: whether that gateway sells the sale.
shop_sells() { [[ $(http_request "$1" GET "/v1/sales/$2" | json_text state) == preheated ]]; }
