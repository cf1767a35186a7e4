# shellcheck shell=bash
# shellcheck disable=SC2154  # settings, STACK_DIR: lib/settings.sh, lib/stack.sh
# A separate disk for a server, small enough to be filled: a tmpfs in its own mount namespace. The process NAME-disk
# holds the namespace, and the data is lost when it exits: the data survives a killed server, but not a `down`.

DISK_SERVERS=(mysql broker)
# MySQL: its files without orders take 120 MiB. Broker: its files at startup, and the tenth that it keeps free.
DISK_MIB_MIN=192
DISK_MIB_MAX=65536
DISK_FILLER=filler

# disk_of NAME: its size in MiB; empty if the server uses the disk of the stack.
disk_of() {
    local size=${settings[$1_disk_mb]:-0}
    [[ $size == 0 ]] || printf '%s' "$size"
}

# disk_folder NAME: the mount point for the server.
disk_folder() {
    case $1 in
        mysql) printf '%s/mysql/data' "$STACK_DIR" ;;
        broker) printf '%s/broker/store' "$STACK_DIR" ;;
        *) die "$1 cannot have its own disk: expected mysql or broker" ;;
    esac
}

# disk_namespace: the arguments of unshare with which this user may mount, one per line; fails if none works.
disk_namespace() {
    local try
    # Real root needs no user namespace, and a container may not have one.
    for try in '--mount' '--user --map-root-user --mount'; do
        # shellcheck disable=SC2086  # a list of arguments
        if unshare $try -- mount -t tmpfs -o size=1m none /tmp >/dev/null 2>&1; then
            printf '%s\n' $try
            return
        fi
    done
    return 1
}

# disk_require: fails and prints what is missing if small disks are not possible here.
disk_require() {
    has_program unshare && has_program nsenter || die "a small disk needs unshare and nsenter (util-linux)"
    disk_namespace >/dev/null ||
        die "a small disk needs a mount namespace with a tmpfs: as root CAP_SYS_ADMIN, else user namespaces" \
            "(kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and no policy of a container" \
            "or of AppArmor against them); 'unshare --user --map-root-user --mount -- mount -t tmpfs none /tmp'" \
            "says: $(unshare --user --map-root-user --mount -- mount -t tmpfs none /tmp 2>&1)"
}

# disk_open NAME: creates the configured disk of a server, unless it exists.
disk_open() {
    local name=$1 size folder
    local -a namespace
    size=$(disk_of "$name")
    [[ -n $size ]] || return 0
    ! process_alive "$name-disk" || return 0
    disk_require
    mapfile -t namespace < <(disk_namespace)
    folder=$(disk_folder "$name")
    mkdir -p -- "$folder"
    # shellcheck disable=SC2016  # expanded by that shell
    process_spawn "$name-disk" unshare "${namespace[@]}" -- \
        sh -c 'mount -t tmpfs -o "size=$1m,mode=0700" "$2" "$3" && exec sleep infinity' sh "$size" "$name" "$folder"
    wait_until 5 disk_is_mounted "$name" || {
        show_log_tail "$(process_log "$name-disk")"
        die "$name: cannot mount its disk of $size MiB"
    }
}

disk_is_mounted() {
    local pid
    pid=$(process_pid "$1-disk") || return 1
    grep -qF " $(disk_folder "$1") " "/proc/$pid/mountinfo" 2>/dev/null
}

disk_close_all() {
    local name
    for name in "${DISK_SERVERS[@]}"; do
        process_signal "$name-disk" KILL || true
        process_wait_gone "$name-disk" 10 || die "$name-disk does not exit"
        rm -f -- "$(process_pid_file "$name-disk")"
    done
}

# disk_entry NAME: sets `entry` to the command prefix for the server's view of the files.
disk_entry() {
    local pid
    entry=()
    [[ -n $(disk_of "$1") ]] || return 0
    # Without it the command would use the disk of the stack instead of the server's.
    pid=$(process_pid "$1-disk") || die "$1 has lost its disk: $1-disk does not run"
    entry=(nsenter --target "$pid" --mount)
    [[ /proc/$pid/ns/user -ef /proc/self/ns/user ]] || entry+=(--user --preserve-credentials)
    entry+=(--)
}

# disk_run NAME COMMAND...: runs the command with the server's view of the files.
disk_run() {
    local -a entry
    disk_entry "$1"
    shift
    "${entry[@]}" "$@"
}

# disk_space NAME: prints "SIZE USED" in KiB.
disk_space() { disk_run "$1" df -k --output=size,used -- "$(disk_folder "$1")" | tail -n 1; }

# disk_fill NAME PERCENT: fills the disk to this percentage; only 100 leaves no space at all.
disk_fill() {
    local name=$1 percent=$2 size used filler
    [[ -n $(disk_of "$name") ]] || die "$name has no small disk (see: up --$name-disk-mb)"
    filler=$(disk_folder "$name")/$DISK_FILLER
    read -r size used < <(disk_space "$name")
    if ((percent == 100)); then
        # Writes until the disk is full.
        disk_run "$name" dd if=/dev/zero of="$filler" bs=4k oflag=append conv=notrunc 2>/dev/null || true
    elif ((size * percent / 100 > used)); then
        disk_run "$name" dd if=/dev/zero of="$filler" bs=1k count=$((size * percent / 100 - used)) \
            oflag=append conv=notrunc 2>/dev/null || die "$name: its disk was full before $percent %"
    fi
}

# disk_make_room NAME: removes what `disk_fill` wrote.
disk_make_room() {
    [[ -n $(disk_of "$1") ]] || die "$1 has no small disk (see: up --$1-disk-mb)"
    disk_run "$1" rm -f -- "$(disk_folder "$1")/$DISK_FILLER"
}
