# shellcheck shell=bash
# shellcheck disable=SC2154  # settings, STACK_DIR: lib/settings.sh, lib/stack.sh
# shellcheck disable=SC2034  # the server lists are read by lib/stack.sh
# Apache RocketMQ: a name server and one broker, or several masters.

# shellcheck source=scripts/lib/remoting.sh
source "$SCRIPTS_DIR/lib/remoting.sh"

# The masters; the second is broker2 here and broker-b in RocketMQ.
ALL_BROKERS=(broker broker2 broker3 broker4)
rocketmq_processes=(namesrv)

# rocketmq_choose_processes: as many masters as the stack has.
rocketmq_choose_processes() { rocketmq_processes=(namesrv "${ALL_BROKERS[@]:0:settings[brokers]}"); }

# rocketmq_brokers: one per line.
rocketmq_brokers() { printf '%s\n' "${ALL_BROKERS[@]:0:settings[brokers]}"; }

# rocketmq_broker_name BROKER: its name in RocketMQ.
rocketmq_broker_name() {
    local number=${1#broker}
    printf 'broker-%s' "${BROKER_LETTERS:${number:-1}-1:1}"
}
BROKER_LETTERS=abcd

rocketmq_missing_packages() { :; }

rocketmq_prepare() {
    require_programs java=openjdk-17-jdk-headless
    rocketmq_class_path >/dev/null
}

rocketmq_lib_dir() { cached "rocketmq-${settings[rocketmq_version]}" rocketmq_build_lib "${settings[rocketmq_version]}"; }

rocketmq_build_lib() {
    local artifact
    say "fetching RocketMQ $2"
    {
        printf '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>\n'
        printf '<groupId>flashgate</groupId><artifactId>stack</artifactId><version>1</version><dependencies>\n'
        for artifact in rocketmq-namesrv rocketmq-broker rocketmq-tools; do
            printf '<dependency><groupId>org.apache.rocketmq</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' \
                "$artifact" "$2"
        done
        printf '</dependencies></project>\n'
    } >"$1/pom.xml"
    run_maven "$1" dependency:copy-dependencies -DoutputDirectory="$1/lib" -DincludeScope=runtime
}

# rocketmq_extension_dir: the extra class for the broker, compiled once per state of its source.
rocketmq_extension_dir() {
    local source=$SCRIPTS_DIR/lib/java/flashgate/NoReplicaHaService.java sum
    sum=$(sha256sum <"$source")
    cached "rocketmq-${settings[rocketmq_version]}-extension-${sum:0:12}" \
        rocketmq_build_extension "$source" "$(rocketmq_lib_dir)"
}

rocketmq_build_extension() {
    require_programs javac=openjdk-17-jdk-headless
    javac -nowarn -d "$1" -cp "$3/lib/*" "$2" || return 1
    # RocketMQ's own loader reads META-INF/service, not Java's META-INF/services.
    mkdir -p -- "$1/META-INF/service" &&
        printf 'flashgate.NoReplicaHaService\n' >"$1/META-INF/service/org.apache.rocketmq.store.ha.HAService"
}

rocketmq_class_path() {
    local lib extension
    lib=$(rocketmq_lib_dir)
    extension=$(rocketmq_extension_dir)
    printf '%s:%s/lib/*' "$extension" "$lib"
}

# JVM options for a machine shared by several stacks: a heap that starts small and can grow.
# rocketmq_spawn NAME MAIN_CLASS JVM_OPTION...: logs and state stay in the stack's folder, since
# RocketMQ takes user.home for both.
rocketmq_spawn() {
    local name=$1 main=$2
    local -a entry tls
    shift 2
    mapfile -t tls < <(rocketmq_tls_options)
    disk_entry "$name"
    process_spawn "$name" "${entry[@]}" env ROCKETMQ_HOME="$STACK_DIR/$name" \
        java "$@" "${tls[@]}" -Duser.home="$STACK_DIR/$name" -Djava.io.tmpdir="$STACK_DIR/$name/tmp" \
        -cp "$(rocketmq_class_path)" "$main" -c "$STACK_DIR/$name/$name.conf"
}

# --- access control and TLS ---

# rocketmq_tls_options: options of the JVM, one per line, which the file of settings cannot hold. Every part is a client
# too: a broker of its name server, mqadmin of both.
rocketmq_tls_options() {
    ! is_secure || printf -- '-D%s\n' tls.server.mode=enforcing tls.enable=true \
        "tls.config.file=$(tls_file rocketmq.properties)"
}

rocketmq_configure_tls() {
    is_secure || return 0
    cat >"$(tls_file rocketmq.properties)" <<EOF
# With the default (true) every server has a certificate of its own making, and clients verify none.
tls.test.mode.enable=false
tls.server.certPath=$(tls_file rocketmq.pem)
tls.server.keyPath=$(tls_file rocketmq.key)
tls.server.need.client.auth=optional
tls.server.authClient=true
tls.server.trustCertPath=$(tls_file ca.pem)
tls.client.authServer=true
tls.client.trustCertPath=$(tls_file ca.pem)
EOF
}

# rocketmq_auth_settings: for the configuration of a broker.
rocketmq_auth_settings() {
    local secret
    is_secure || return 0
    secret=$(secret rocketmq-administrator)
    cat <<EOF

# Every request needs a signature, and its user the right, except for the administrator, whom the broker creates itself.
authenticationEnabled=true
authenticationProvider=org.apache.rocketmq.auth.authentication.provider.DefaultAuthenticationProvider
authenticationMetadataProvider=org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider
initAuthenticationUser={"username":"administrator","password":"$secret"}
innerClientAuthenticationCredentials={"accessKey":"administrator","secretKey":"$secret"}
authorizationEnabled=true
authorizationProvider=org.apache.rocketmq.auth.authorization.provider.DefaultAuthorizationProvider
authorizationMetadataProvider=org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider
EOF
}

# rocketmq_create_users: at each broker, the users with the least rights.
rocketmq_create_users() {
    local broker port user prefix=${settings[prefix]}
    local -a gateway=(
        "Topic:$prefix-orders=Pub,Get" "Topic:$prefix-outcomes=Sub,Get" "Topic:$prefix-lifecycle=Sub,Get"
        "Topic:$prefix-sales=Sub,Get" "Group:$prefix-gateway-lifecycle=Sub,Get"
        "Group:$prefix-gateway-settle=Sub,Get" "Group:$prefix-gateway-sales=Sub,Get"
    )
    local -a worker=(
        "Topic:$prefix-orders=Pub,Sub,Get" "Topic:$prefix-outcomes=Pub" "Topic:$prefix-sales=Pub"
        "Topic:$prefix-lifecycle=Pub,Sub,Get" "Group:$prefix-order-worker-outbound=Sub,Get"
        "Topic:$prefix-timers=Pub,Sub,Get" "Group:$prefix-order-worker-timers=Sub,Get"
        "Topic:%DLQ%$prefix-order-worker=Pub,Sub,Get" "Group:$prefix-order-worker=Sub,Get"
        # The group with which dead letters are read, without consuming them.
        "Group:TOOLS_CONSUMER=Sub,Get"
    )
    local -a operator=(
        "Topic:$prefix-*=Create,Update,Get,List" "Topic:%DLQ%$prefix-order-worker=Create,Update,Get,List"
        "Group:$prefix-*=Create,Update,Get,List" "Cluster:*=Get,List"
    )
    is_secure || return 0
    for broker in $(rocketmq_brokers); do
        port=$(port_of "$broker")
        for user in gateway worker operator; do
            local -n rights=$user
            remoting_create_user "$port" "$user" "$(secret "rocketmq-$user")" >/dev/null ||
                die "$broker did not create the user $user"
            remoting_create_acl "$port" "$user" "${rights[@]}" >/dev/null ||
                die "$broker did not give the user $user its rights"
        done
    done
}

# --- name server ---

namesrv_choose_ports() { port_store namesrv "$(port_choose)"; }

namesrv_ports() { port_of namesrv; }

namesrv_configure() {
    mkdir -p -- "$STACK_DIR/namesrv/tmp"
    rocketmq_configure_tls
    cat >"$STACK_DIR/namesrv/namesrv.conf" <<EOF
listenPort=$(port_of namesrv)
bindAddress=127.0.0.1
EOF
}

namesrv_spawn() {
    rocketmq_spawn namesrv org.apache.rocketmq.namesrv.NamesrvStartup \
        -Xms32m -Xmx192m -XX:+UseSerialGC -XX:MaxDirectMemorySize=64m
}

namesrv_answers() { remoting_call "$(port_of namesrv)" "$RMQ_GET_BROKER_CLUSTER_INFO" '{}' >/dev/null; }

# --- brokers ---
# Each function takes the broker; lib/server.sh calls those of each broker by name, see below.

# Besides its port the broker binds port - 2 (the "fast" one, for clients that opt for it).
a_broker_choose_ports() { port_store "$1" "$(port_choose -2)"; }

a_broker_ports() {
    local port
    port=$(port_of "$1")
    [[ -z $port ]] || printf '%s %s' "$port" $((port - 2))
}

a_broker_configure() {
    local broker=$1 dir=$STACK_DIR/$1 flush=ASYNC_FLUSH timeout_ms=${settings[transaction_timeout_ms]}
    [[ ${settings[durable]} == yes ]] && flush=SYNC_FLUSH
    mkdir -p -- "$dir/tmp" "$dir/store"
    cat >"$dir/$broker.conf" <<EOF
brokerClusterName=flashgate
brokerName=$(rocketmq_broker_name "$broker")
brokerId=0
brokerRole=ASYNC_MASTER
namesrvAddr=127.0.0.1:$(port_of namesrv)
# The address for clients, and the bind address of the sockets.
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=$(port_of "$broker")
# A restarted name server has the broker's registration after 10 s instead of 30.
registerNameServerPeriod=10000

storePathRootDir=$dir/store
storePathCommitLog=$dir/store/commitlog
flushDiskType=$flush
# Small files, so that an empty store takes megabytes (the defaults map 1 GB at a time).
mappedFileSizeCommitLog=134217728
mappedFileSizeConsumeQueue=1000000
mappedFileSizeTimerLog=16777216
maxHashSlotNum=500000
maxIndexNum=2000000
deleteWhen=04
fileReservedTime=72
# RocketMQ caps these at 95 and 90 %: above 90 % the broker refuses messages.
diskMaxUsedSpaceRatio=95
diskSpaceWarningLevelRatio=90
diskSpaceCleanForciblyRatio=85
# Never delete files younger than fileReservedTime, even on a full disk.
cleanFileForciblyEnable=false
# Interval of disk checks. A disk that fills from 90 to 100 % between two checks (10 s by default) tears the message that
# is being written and ends threads of the broker.
cleanResourceInterval=1000

# A topic that a client invents gets a random number of queues; a missing one must be an error.
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
traceTopicEnable=false

transactionTimeOut=$timeout_ms
transactionCheckInterval=${settings[transaction_check_interval_ms]}
# How long the broker collects commits and rollbacks before it marks their half-messages as
# done. If it is close to transactionTimeOut, committed messages are checked and delivered twice.
# The default is 3 s.
transactionOpBatchInterval=$((timeout_ms / 10))
# With the default of 15 the broker silently sets a half-message aside after 15 checks without a
# verdict: a ledger that is down for two minutes would lose accepted orders.
transactionCheckMax=1000000

# Delayed messages (payment deadlines) are in the timer wheel. A flush compares the whole wheel byte by byte, a week of
# seconds: a third of a second on a processor, by default every second. After a crash unflushed entries are read from the
# messages.
timerWheelEnable=true
timerFlushIntervalMs=300000

# Appends hold one lock, so more threads only queue. Commits read the half-message and wait for
# their flush: more threads share one flush.
sendMessageThreadPoolNums=2
endTransactionThreadPoolNums=4
# Few connections and two processors: each further thread only adds a hand-over.
serverSelectorThreads=1
serverWorkerThreads=1
useEpollNativeSelector=true
# With the defaults (200 ms and 1 s) the broker answers "system busy" when a compiler uses both cores.
waitTimeMillsInSendQueue=2000
osPageCacheBusyTimeOutMills=5000
$(rocketmq_auth_settings)
EOF
}

# The first compiler only: with both, the broker needs a minute of load until batches are as cheap, and uses half a
# processor meanwhile. A broker that runs for days should use both.
a_broker_spawn() {
    rocketmq_spawn "$1" org.apache.rocketmq.broker.BrokerStartup \
        -Xms256m -Xmx1g -XX:MaxDirectMemorySize=1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        --add-exports=java.base/jdk.internal.ref=ALL-UNNAMED
}

# The broker counts as up when clients can find it: registered, with the topics created.
a_broker_answers() {
    remoting_broker_registered "$(port_of namesrv)" "127.0.0.1:$(port_of "$1")"
}

# A broker whose first registration failed (its client had not yet connected to the name server),
# or whose name server was restarted, would wait for its next round: up to 10 s.
a_broker_while_waiting() {
    ((SECONDS > broker_nudged_at + 1)) || return 0
    broker_nudged_at=$SECONDS
    remoting_register_now "$(port_of "$1")" || true
}
broker_nudged_at=$SECONDS

for broker in "${ALL_BROKERS[@]}"; do
    for verb in choose_ports ports configure spawn answers while_waiting; do
        eval "${broker}_$verb() { a_broker_$verb $broker; }"
    done
done
unset broker verb

# mqadmin WORD...: RocketMQ's own tool, without the messages of its logging library. Fails if the command failed: the
# tool itself prints the exception and exits with 0.
mqadmin() {
    local -a tls
    mapfile -t tls < <(rocketmq_tls_options)
    if is_secure; then
        mkdir -p -- "$STACK_DIR/namesrv/conf"
        printf 'accessKey: administrator\nsecretKey: %s\n' "$(secret rocketmq-administrator)" \
            >"$STACK_DIR/namesrv/conf/tools.yml"
    fi
    env ROCKETMQ_HOME="$STACK_DIR/namesrv" java -Xmx128m -XX:TieredStopAtLevel=1 -Duser.home="$STACK_DIR/namesrv" "${tls[@]}" \
        -cp "$(rocketmq_class_path)" org.apache.rocketmq.tools.command.MQAdminStartup "$@" \
        -n "127.0.0.1:$(port_of namesrv)" 2>&1 |
        awk '/ \|-(INFO|WARN) in / { next } /SubCommandException/ { failed = 1 } { print } END { exit failed }'
}

# --- topics ---

# topic_create NAME[:QUEUES]...: creates the topics and waits until the name server has all of them.
topic_create() {
    local topic name queues answer broker
    local -a topics=() names=() brokers
    for topic in "$@"; do
        name=${topic%%:*} queues=${settings[queues]}
        [[ $topic != *:* ]] || queues=${topic#*:}
        [[ $name =~ ^[%A-Za-z0-9_-]{1,127}$ ]] || die "topic '$name': expected 1 to 127 of % A-Z a-z 0-9 _ -"
        require_number "queues of topic $name" "$queues" 1 1024
        names+=("$name") topics+=("$name:$((10#$queues))")
    done
    mapfile -t brokers < <(rocketmq_brokers)
    for broker in "${brokers[@]}"; do
        answer=$(remoting_create_topics "$(port_of "$broker")" "${topics[@]}") ||
            die "$broker did not create the topics: ${answer:-no answer}"
    done
    for broker in "${brokers[@]}"; do
        # Longer than the broker's registration period.
        wait_until 20 remoting_topics_known "$(port_of namesrv)" "$(rocketmq_broker_name "$broker")" "${names[@]}" ||
            die "the name server does not have all topics of $broker: ${names[*]}"
    done
}

topic_create_standard() {
    local prefix=${settings[prefix]}
    topic_create "$prefix-orders" "$prefix-outcomes" "$prefix-lifecycle" "$prefix-timers" "$prefix-sales:1" "%DLQ%$prefix-order-worker:1"
}
