# shellcheck shell=bash
# The libraries of Standard Webhooks for Python and JavaScript, which the tests compare our signatures with: from PyPI
# and npm, each in its own folder. Each executable runs an interpreter that finds its library.

STANDARD_WEBHOOKS_PYPI_VERSION=1.1.0
STANDARD_WEBHOOKS_NPM_VERSION=1.1.1

standard_webhooks_python() {
    printf '%s/run' "$(cached "standardwebhooks-pypi-$STANDARD_WEBHOOKS_PYPI_VERSION" standard_webhooks_build_python)"
}

standard_webhooks_node() {
    printf '%s/run' "$(cached "standardwebhooks-npm-$STANDARD_WEBHOOKS_NPM_VERSION" standard_webhooks_build_node)"
}

# The folder is renamed when it is complete, so the paths in its own launchers are wrong.
standard_webhooks_build_python() {
    local folder=$1
    python3 -m venv -- "$folder/venv" &&
        "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            "standardwebhooks==$STANDARD_WEBHOOKS_PYPI_VERSION" &&
        cat >"$folder/run" <<'LAUNCHER' &&
#!/bin/sh
exec "$(dirname -- "$0")/venv/bin/python" "$@"
LAUNCHER
        chmod 0755 -- "$folder/run"
}

standard_webhooks_build_node() {
    local folder=$1
    has_program npm || install_packages nodejs npm
    npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
        "standardwebhooks@$STANDARD_WEBHOOKS_NPM_VERSION" &&
        cat >"$folder/run" <<'LAUNCHER' &&
#!/bin/sh
NODE_PATH=$(dirname -- "$0")/node_modules exec node "$@"
LAUNCHER
        chmod 0755 -- "$folder/run"
}
