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

# remoting_call PORT CODE FIELDS [BODY]: FIELDS is a JSON object of strings. Prints the header and the
# body of the response, both JSON. Fails unless the response is a success.
remoting_call() {
    set -- "$1" "$2" "$3" "${4:-}"
    (
        header='{"code":'$2',"language":"OTHER","version":0,"opaque":1,"flag":0,"extFields":'$3'}'
        printf -v frame '%08x%08x%s' $((4 + ${#header} + ${#4})) "${#header}" "$(hex_of_text "$header$4")"
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        write_hex "$frame" >&3
        length=$(read_hex 4 <&3) || exit 1
        # The first 4 bytes are the header's length; the rest is text.
        answer=$(timeout "$TCP_TIMEOUT_SECONDS" head -c $((16#$length)) <&3 | tail -c +5)
        printf '%s' "$answer"
        [[ $answer == '{"code":0,'* ]]
    ) 2>/dev/null
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
