# shellcheck shell=bash
# What everybody builds with, so that nothing is compiled twice: one profile, all features (the
# contract suites and the failpoints), all members. A test build makes the binaries too, for every
# member that has integration tests.

# cargo_flags: what `cargo test`, `cargo clippy` and `cargo doc` share, one a line.
cargo_flags() {
    printf '%s\n' --workspace --all-features
    # A developer may be about to change the lock file; a clone for checking may not.
    [[ ${CI:-} != true ]] || printf '%s\n' --locked
}

# target_dir: where cargo puts what it builds.
target_dir() {
    local metadata
    metadata=$(cargo metadata --no-deps --format-version 1 --manifest-path "$REPOSITORY/Cargo.toml") || return 1
    [[ $metadata =~ \"target_directory\":\"([^\"]*)\" ]] || return 1
    printf '%s' "${BASH_REMATCH[1]}"
}

# install_build_tools: everything but cargo comes from Debian.
install_build_tools() {
    local -a packages=()
    has_program cargo || die "missing: cargo (https://rustup.rs)"
    has_program cc || packages+=(gcc libc6-dev)
    install_packages "${packages[@]}"
}

# install_server_tools: here and not in the background, where sudo could not ask for a password.
install_server_tools() {
    local -a packages=()
    has_program javac || packages+=(default-jdk-headless)
    has_program mvn || packages+=(maven)
    # A Python without `ensurepip` has no virtual environments.
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    mapfile -t -O "${#packages[@]}" packages < <(stack_missing_packages)
    install_packages "${packages[@]}"
}
