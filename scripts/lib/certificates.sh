# shellcheck shell=bash
# shellcheck disable=SC2154  # settings, STACK_DIR: lib/settings.sh, lib/stack.sh
# Certificates and passwords of a secure stack, in its folder and for this machine's loopback only.
#
# DIR/tls/ca.pem, ca.key              the authority that clients trust
# DIR/tls/unknown-ca.pem, ...         an authority that no client trusts, for drills
# DIR/tls/NAME.pem, NAME.key          the certificate of redis, mysql, rocketmq or of a client
# DIR/secrets/NAME                    a password

CERTIFICATE_DAYS=365

is_secure_asked() { [[ ${asked[secure]:-${settings[secure]}} == yes ]]; }

is_secure() { [[ ${settings[secure]} == yes ]]; }

tls_file() { printf '%s/tls/%s' "$STACK_DIR" "$1"; }

# secret NAME: a random password that stays the same for the life of the stack.
secret() {
    local file=$STACK_DIR/secrets/$1 new=$STACK_DIR/secrets/$1.$BASHPID
    if [[ ! -s $file ]]; then
        mkdir -p -- "$STACK_DIR/secrets"
        # The parts start concurrently: the first one's password is kept.
        head -c 16 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$new"
        ln -- "$new" "$file" 2>/dev/null || true
        rm -f -- "$new"
    fi
    cat -- "$file"
}

# certificates_prepare: makes what is missing, before a server starts.
certificates_prepare() {
    local authority name
    is_secure || return 0
    mkdir -p -- "$STACK_DIR/tls"
    for authority in ca unknown-ca; do
        [[ -s $(tls_file $authority.pem) ]] || certificate_authority_make "$authority"
    done
    for name in redis mysql rocketmq client; do
        [[ -s $(tls_file "$name.pem") ]] || certificate_make "$name" valid
    done
}

# run_openssl ARGUMENT...: prints output only on failure.
run_openssl() {
    local output
    output=$(openssl "$@" 2>&1) || die "openssl $1: $output"
}

certificate_key() { run_openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

certificate_authority_make() {
    local key pem
    key=$(tls_file "$1.key") pem=$(tls_file "$1.pem")
    certificate_key "$key"
    run_openssl req -x509 -new -key "$key" -subj "/CN=flashgate stack $1" -days "$CERTIFICATE_DAYS" \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$pem.new"
    mv -- "$pem.new" "$pem"
}

# certificate_make NAME STATE: a new key and certificate. STATE is valid, expired (an hour ago), or unknown (of the
# authority that no client trusts).
certificate_make() {
    local name=$1 state=$2 authority=ca start='-1 hour' end="+$CERTIFICATE_DAYS days" pem work
    case $state in
        valid) ;;
        expired) start='-1 day' end='-1 hour' ;;
        unknown) authority=unknown-ca ;;
        *) die "unknown state '$state' of a certificate: expected valid, expired or unknown" ;;
    esac
    pem=$(tls_file "$name.pem")
    work=$(mktemp -d -- "$(tls_file "$name.XXXXXX")")
    certificate_key "$work/key"
    run_openssl req -new -key "$work/key" -subj "/CN=$name" -out "$work/request"
    # `openssl x509` of version 3.0 cannot make a certificate that has expired.
    : >"$work/index"
    cat >"$work/ca.conf" <<CONF
[ca]
default_ca = authority
[authority]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = $([[ $name == client ]] && printf clientAuth || printf serverAuth)
subjectAltName = $([[ $name == client ]] && printf 'DNS:client' || printf 'IP:127.0.0.1, DNS:localhost')
authorityKeyIdentifier = keyid
CONF
    run_openssl ca -batch -notext -config "$work/ca.conf" -cert "$(tls_file $authority.pem)" \
        -keyfile "$(tls_file $authority.key)" -startdate "$(certificate_time "$start")" \
        -enddate "$(certificate_time "$end")" -in "$work/request" -out "$work/pem"
    # The key first: RocketMQ loads both again when the later one changes.
    mv -- "$work/key" "$(tls_file "$name.key")"
    mv -- "$work/pem" "$pem"
    rm -rf -- "$work"
}

certificate_time() { date --utc --date "$1" +%Y%m%d%H%M%SZ; }
