# shellcheck shell=bash
# Shared build flags, so that nothing is compiled twice: one profile, all features (the contract
# suites and the failpoints), all members. A test build also builds the binaries of every member
# with integration tests.

# cargo_flags: the flags of `cargo test`, `cargo clippy` and `cargo doc`, one per line.
cargo_flags() {
    printf '%s\n' --workspace --all-features
    # A developer may change the lock file; a CI clone may not.
    [[ ${CI:-} != true ]] || printf '%s\n' --locked
}

# target_dir: cargo's target folder.
target_dir() {
    local metadata
    metadata=$(cargo metadata --no-deps --format-version 1 --manifest-path "$REPOSITORY/Cargo.toml") || return 1
    [[ $metadata =~ \"target_directory\":\"([^\"]*)\" ]] || return 1
    printf '%s' "${BASH_REMATCH[1]}"
}

# install_build_tools: installs everything except cargo from Debian.
install_build_tools() {
    local -a packages=()
    has_program cargo || die "missing: cargo (https://rustup.rs)"
    has_program cc || packages+=(gcc libc6-dev)
    install_packages "${packages[@]}"
}

# install_server_tools: in the foreground, because sudo may ask for a password.
install_server_tools() {
    local -a packages=()
    has_program javac || packages+=(default-jdk-headless)
    has_program mvn || packages+=(maven)
    # Virtual environments need `ensurepip`.
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    mapfile -t -O "${#packages[@]}" packages < <(stack_missing_packages)
    install_packages "${packages[@]}"
}
