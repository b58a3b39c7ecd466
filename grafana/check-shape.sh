#!/bin/sh
# Runs check-shape.py over all dashboards, with Grafana's types in an environment of their own below target/. They are
# those of the Grafana in docker-compose.yml, and are installed once.
set -eu
cd "$(dirname "$0")/.."

types='grafana-foundation-sdk==1769699379!11.6.0'
environment=${CARGO_TARGET_DIR:-target}/check-shape

if [ "$(cat "$environment/installed" 2>/dev/null)" != "$types" ]; then
    python3 -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$types"
    printf '%s\n' "$types" >"$environment/installed"
fi
"$environment/bin/python" grafana/check-shape.py grafana/dashboards/*.json
