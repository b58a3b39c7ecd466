#!/bin/sh
# Makes sure that what the tests and the demo need from the system is there: redis-server (never its service) and a
# C compiler, with which cargo links and builds the cryptography crate. Says and does nothing if both are there.
set -eu

PATH=$PATH:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

fail() {
    echo "ensure-redis: $1" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Debian packages start their service on installation unless this file forbids it.
forbid_service_start() {
    if [ ! -e "$policy" ]; then
        policy_is_ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
}

allow_service_start() {
    if [ "$policy_is_ours" = yes ]; then
        as_root rm -f "$policy"
        policy_is_ours=no
    fi
}

install_with_apt() {
    if ! as_root true; then
        fail "$* missing, and neither root nor sudo to install: apt-get install $*"
    fi
    echo "installing $* with apt-get"
    trap allow_service_start EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    forbid_service_start
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
    allow_service_start
}

# The installation that just happened must not leave a server on 6379, now or after the next boot.
retire_service() {
    if have systemctl && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now redis-server.service >/dev/null 2>&1 ||
            echo "ensure-redis: could not disable redis-server.service, which the installation enabled" >&2
    elif have update-rc.d; then
        as_root update-rc.d redis-server disable >/dev/null 2>&1 || true
    fi
}

ensure_with_apt() {
    redis_is_new=no
    set --
    if ! have redis-server; then
        redis_is_new=yes
        set -- redis-server
    fi
    have cc || set -- "$@" gcc libc6-dev
    install_with_apt "$@"
    if [ "$redis_is_new" = yes ]; then
        retire_service
    fi
}

ensure_with_brew() {
    have cc || fail "no C compiler: run 'xcode-select --install' and try again"
    have redis-server || brew install redis
}

if ! have redis-server || ! have cc; then
    if have apt-get; then
        ensure_with_apt
    elif have brew; then
        ensure_with_brew
    else
        fail "redis-server or a C compiler (cc) is missing, and there is neither apt-get nor brew to install it"
    fi
    have redis-server || fail "redis-server was installed but is not on the path"
    redis-server --version
fi
