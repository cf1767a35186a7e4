# shellcheck shell=bash
# RocketMQ's remoting protocol in plain bash. Creating a topic takes milliseconds; MQAdmin takes 2 to
# 4 seconds per topic, mostly to start a JVM.
#
# A frame: 4 bytes length of the rest, 1 byte encoding (0 is JSON), 3 bytes length of the
# header, the header, the body. Numbers are big-endian.

# Request codes (org.apache.rocketmq.remoting.protocol.RequestCode, 5.4.0).
RMQ_UPDATE_AND_CREATE_TOPIC_LIST=18
RMQ_UPDATE_BROKER_CONFIG=25
RMQ_GET_ROUTE_BY_TOPIC=105
RMQ_GET_BROKER_CLUSTER_INFO=106
RMQ_AUTH_CREATE_USER=3001
RMQ_AUTH_UPDATE_USER=3002
RMQ_AUTH_CREATE_ACL=3006
RMQ_AUTH_UPDATE_ACL=3007

# remoting_call PORT CODE FIELDS [BODY]: FIELDS is a JSON object of at most one string, without escapes. Prints the
# header and the body of the response, both JSON. Fails unless the response is a success.
remoting_call() {
    set -- "$1" "$2" "$3" "${4:-}"
    (
        header='{"code":'$2',"language":"OTHER","version":0,"opaque":1,"flag":0,"extFields":'
        header+=$(remoting_signed_fields "$3" "$4")'}'
        printf -v frame '%08x%08x%s' $((4 + ${#header} + ${#4})) "${#header}" "$(hex_of_text "$header$4")"
        tcp_open "$1" || exit 1
        write_hex "$frame" >&4
        length=$(read_hex 4 <&3) || exit 1
        # The first 4 bytes are the header's length; the rest is text.
        answer=$(timeout "$TCP_TIMEOUT_SECONDS" head -c $((16#$length)) <&3 | tail -c +5)
        printf '%s' "$answer"
        [[ $answer == '{"code":0,'* ]]
    ) 2>/dev/null
}

# remoting_signed_fields FIELDS BODY: in a secure stack with access key and signature of the administrator: HMAC-SHA1
# over the values, in the order of their names, and the body.
remoting_signed_fields() {
    local fields=${1#\{} user=administrator value="" key
    if ! is_secure; then
        printf '%s' "$1"
        return
    fi
    fields=${fields%\}}
    if [[ -n $fields ]]; then value=${fields#*:\"} value=${value%\"} fields=,$fields; fi
    key=$(secret "rocketmq-$user")
    # The name "AccessKey" is before every name in small letters.
    printf '{"AccessKey":"%s","Signature":"%s"%s}' "$user" "$(hmac_sha1_base64 "$key" "$user$value$2")" "$fields"
}

# hmac_sha1_base64 KEY TEXT: in bash, since a program's arguments are visible to every user. KEY has at most 64 bytes.
hmac_sha1_base64() {
    local key inner="" outer="" i
    key=$(hex_of_text "$1")
    printf -v key '%s%0*d' "$key" $((128 - ${#key})) 0
    for ((i = 0; i < 128; i += 2)); do
        printf -v inner '%s%02x' "$inner" $((16#${key:i:2} ^ 0x36))
        printf -v outer '%s%02x' "$outer" $((16#${key:i:2} ^ 0x5c))
    done
    write_hex "$(sha1_of_hex "$outer$(sha1_of_hex "$inner$(hex_of_text "$2")")")" | base64 -w 0
}

# remoting_create_user BROKER_PORT NAME PASSWORD: creates the user, or sets the password.
remoting_create_user() {
    local body='{"username":"'$2'","password":"'$3'","userType":"Normal","userStatus":"enable"}'
    remoting_call "$1" "$RMQ_AUTH_CREATE_USER" '{"username":"'"$2"'"}' "$body" >/dev/null ||
        remoting_call "$1" "$RMQ_AUTH_UPDATE_USER" '{"username":"'"$2"'"}' "$body"
}

# remoting_create_acl BROKER_PORT USER RESOURCE=ACTIONS...: gives the user these rights, or replaces those on the same
# resources.
remoting_create_acl() {
    local port=$1 user=$2 right actions entries=""
    shift 2
    for right in "$@"; do
        actions=${right#*=}
        entries+=',{"resource":"'${right%%=*}'","actions":["'${actions//,/\",\"}'"],"decision":"Allow"}'
    done
    local body='{"subject":"User:'$user'","policies":[{"policyType":"Custom","entries":['${entries#,}']}]}'
    remoting_call "$port" "$RMQ_AUTH_CREATE_ACL" '{"subject":"User:'"$user"'"}' "$body" >/dev/null ||
        remoting_call "$port" "$RMQ_AUTH_UPDATE_ACL" '{"subject":"User:'"$user"'"}' "$body"
}

# remoting_create_topics BROKER_PORT NAME:QUEUES...: creates them in one request, or sets their
# number of queues. Readable and writable (6 = 4 + 2).
remoting_create_topics() {
    local port=$1 topic list=""
    shift
    for topic in "$@"; do
        list+=',{"topicName":"'${topic%:*}'","readQueueNums":'${topic#*:}',"writeQueueNums":'${topic#*:}
        list+=',"perm":6,"topicFilterType":"SINGLE_TAG","topicSysFlag":0,"order":false}'
    done
    remoting_call "$port" "$RMQ_UPDATE_AND_CREATE_TOPIC_LIST" '{}' '{"topicConfigList":['"${list#,}"']}'
}

# remoting_topics_known NAMESRV_PORT BROKER_NAME NAME...: whether that broker has registered all topics at the name
# server.
remoting_topics_known() {
    local route name port=$1 broker=$2
    shift 2
    for name in "$@"; do
        route=$(remoting_call "$port" "$RMQ_GET_ROUTE_BY_TOPIC" '{"topic":"'"$name"'"}') || return 1
        [[ $route == *"\"brokerName\":\"$broker\""* ]] || return 1
    done
}

# remoting_broker_registered NAMESRV_PORT BROKER_ADDRESS
remoting_broker_registered() {
    [[ $(remoting_call "$1" "$RMQ_GET_BROKER_CLUSTER_INFO" '{}') == *"\"$2\""* ]]
}

# remoting_register_now BROKER_PORT: makes the broker register at its name server, which it does after
# each write of this setting; the value is the default (6: readable and writable).
remoting_register_now() {
    remoting_call "$1" "$RMQ_UPDATE_BROKER_CONFIG" '{}' brokerPermission=6 >/dev/null
}
