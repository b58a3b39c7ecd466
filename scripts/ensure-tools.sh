#!/bin/sh
# Makes sure that the commands which it is given are there: cc, with which cargo links and builds the cryptography crate,
# redis-server, prometheus, promtool, amtool, shellcheck and systemd-analyze; python3-venv stands for a Python that can make
# environments. It installs what is missing, never starts the services that come with it, and says and does nothing if all
# is there.
set -eu

PATH=$PATH:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

fail() {
    echo "ensure-tools: $1" >&2
    exit 1
}

have() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# The commands among the arguments that are not there.
missing() {
    for command in "$@"; do
        have "$command" || printf '%s ' "$command"
    done
}

debian_packages_of() {
    case $1 in
        cc) echo gcc libc6-dev ;;
        redis-server) echo redis-server ;;
        prometheus | promtool) echo prometheus ;;
        amtool) echo prometheus-alertmanager ;;
        shellcheck) echo shellcheck ;;
        systemd-analyze) echo systemd ;;
        python3-venv) echo python3-venv ;;
        *) fail "no package is known for $1" ;;
    esac
}

brew_packages_of() {
    case $1 in
        cc) fail "no C compiler: run 'xcode-select --install' and try again" ;;
        redis-server) echo redis ;;
        prometheus | promtool) echo prometheus ;;
        amtool) echo alertmanager ;;
        shellcheck) echo shellcheck ;;
        python3-venv) echo python ;;
        *) fail "no package is known for $1" ;;
    esac
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
    # Another installation that is under way is waited for.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@"
    allow_service_start
}

# The installation that just happened must not leave a server on a port, now or after the next boot.
retire_service() {
    if have systemctl && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now "$1.service" >/dev/null 2>&1 ||
            echo "ensure-tools: could not disable $1.service, which the installation enabled" >&2
    elif have update-rc.d; then
        as_root update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

# Names of packages hold no blanks, so the lists below are split into words on purpose.
ensure_with_apt() {
    packages=
    for command in "$@"; do
        packages="$packages $(debian_packages_of "$command")" || exit 1
    done
    # shellcheck disable=SC2086
    install_with_apt $packages
    for package in $packages; do
        case $package in
            redis-server | prometheus | prometheus-alertmanager) retire_service "$package" ;;
        esac
    done
}

ensure_with_brew() {
    packages=
    for command in "$@"; do
        packages="$packages $(brew_packages_of "$command")" || exit 1
    done
    # shellcheck disable=SC2086
    brew install $packages
}

absent=$(missing "$@")
if [ -n "$absent" ]; then
    # shellcheck disable=SC2086
    if have apt-get; then
        ensure_with_apt $absent
    elif have brew; then
        ensure_with_brew $absent
    else
        fail "there is neither apt-get nor brew to install what is missing: $absent"
    fi
    absent=$(missing "$@")
    [ -z "$absent" ] || fail "installed but not on the path: $absent"
fi
