# shellcheck shell=bash
# Schemathesis, which tests the programs against their OpenAPI documents: from PyPI, in its own folder.

SCHEMATHESIS_VERSION=4.32.5

schemathesis_executable() {
    printf '%s/run' "$(cached "schemathesis-$SCHEMATHESIS_VERSION" schemathesis_build)"
}

# The folder is renamed when it is complete, so the paths in its own launchers are wrong.
schemathesis_build() {
    local folder=$1
    python3 -m venv -- "$folder/venv" &&
        "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            "schemathesis==$SCHEMATHESIS_VERSION" &&
        cat >"$folder/run" <<'LAUNCHER' &&
#!/bin/sh
exec "$(dirname -- "$0")/venv/bin/python" -m schemathesis.cli "$@"
LAUNCHER
        chmod 0755 -- "$folder/run"
}
