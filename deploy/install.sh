#!/bin/sh
# Puts Candlewire on a machine with systemd: programs, user, configuration, passwords, units, and Redis' settings and users.
#
# Run again, it upgrades: what has changed is replaced, each file at once, and the programs are restarted in the order of
# docs/UPGRADE.md. Configuration and passwords that are there are kept. With DESTDIR=/some/where everything is put below
# that directory, and no user, service or Redis is touched.
set -eu

USAGE=64
CANTWRITE=73

here=$(cd "$(dirname "$0")" && pwd)
from=$here/../target/release
prefix=/usr/local
destdir=${DESTDIR:-}
dry=no
uninstall=no
with_redis=yes
start=yes
unpacked=
redis_changed=no
units_changed=no

programs='indicator-worker notifier ingestor'
redis_users='ingestor worker notifier monitor operator backup'
pages='INSTALL.md UPGRADE.md BACKUP.md ALERTS.md CONTRACT.md RELIABILITY.md OPERATIONS.md METRICS.md'

usage() {
    cat <<'HELP'
usage: install.sh [options]

  --from DIR|TARBALL  where the three programs are; target/release by default
  --prefix DIR        /usr/local by default; programs go to DIR/bin
  --without-redis     leave Redis' configuration alone: put deploy/redis/ on its machine yourself
  --no-start          start and restart nothing
  --dry-run           say what would be done, and do nothing
  --uninstall         stop and remove it; configuration, passwords, backups and data stay
HELP
}

fail() {
    code=$1
    shift
    echo "install: $*" >&2
    exit "$code"
}

say() {
    if [ $dry = yes ]; then
        echo "would $*"
    else
        echo "$*"
    fi
}

# Runs a command, or says that it would.
run() {
    if [ $dry = yes ]; then
        echo "would run: $*"
    else
        "$@"
    fi
}

# Owners are set on a machine of one's own only.
own() {
    if [ -z "$destdir" ] && [ $dry = no ]; then
        chown "$1" "$2"
    fi
}

# directory PATH MODE OWNER
directory() {
    if [ ! -d "$destdir$1" ]; then
        say "make $1"
        run mkdir -p "$destdir$1"
        run chmod "$2" "$destdir$1"
        own "$3" "$destdir$1"
    fi
}

# put FILE PATH MODE OWNER: nobody ever sees half of the file. Succeeds if something has changed.
put() {
    if [ -e "$destdir$2" ] && cmp -s "$1" "$destdir$2"; then
        return 1
    fi
    say "put $2"
    # Each step is looked at: callers ask whether something has changed, so that `set -e` does not count here.
    if [ $dry = yes ]; then
        return 0
    fi
    if ! { (umask 077 && cp "$1" "$destdir$2.new") && chmod "$3" "$destdir$2.new" && own "$4" "$destdir$2.new" &&
        mv -f "$destdir$2.new" "$destdir$2"; }; then
        rm -f "$destdir$2.new"
        fail $CANTWRITE "$destdir$2 can't be written"
    fi
}

clean_up() {
    if [ -n "$unpacked" ]; then
        rm -rf "$unpacked"
    fi
}

system() {
    [ -z "$destdir" ] && [ $start = yes ] && [ -d /run/systemd/system ]
}

is_running() {
    systemctl is-active --quiet "$1"
}

find_programs() {
    if [ -f "$from" ]; then
        tar -xf "$from" -C "$unpacked" || fail $USAGE "$from is no tarball"
        from=$unpacked
    fi
    for program in $programs; do
        found=$(find "$from" -maxdepth 3 -type f -name "$program" -perm -u+x 2>/dev/null | head -n 1)
        [ -n "$found" ] || fail $USAGE "no program $program in $from: 'make build' makes it"
        if [ "$found" != "$unpacked/bin/$program" ]; then
            mkdir -p "$unpacked/bin"
            ln -s "$(cd "$(dirname "$found")" && pwd)/$program" "$unpacked/bin/$program"
        fi
    done
}

make_user() {
    if [ -z "$destdir" ] && ! id candlewire >/dev/null 2>&1; then
        say "make the user candlewire"
        run useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin candlewire
    fi
}

install_programs() {
    directory "$prefix/bin" 755 root:root
    directory "$prefix/lib/candlewire" 755 root:root
    directory "$prefix/share/doc/candlewire" 755 root:root
    for program in $programs; do
        put "$unpacked/bin/$program" "$prefix/bin/$program" 755 root:root || :
    done
    put "$here/backup.sh" "$prefix/lib/candlewire/backup.sh" 755 root:root || :
    for page in $pages; do
        if [ -f "$here/../docs/$page" ]; then
            put "$here/../docs/$page" "$prefix/share/doc/candlewire/$page" 644 root:root || :
        fi
    done
}

configure() {
    directory /etc/candlewire 750 root:candlewire
    directory /etc/candlewire/secrets 750 root:candlewire
    directory /var/backups/candlewire 700 root:root
    if [ ! -e "$destdir/etc/candlewire/candlewire.toml" ]; then
        put "$here/../candlewire.toml" /etc/candlewire/candlewire.toml 640 root:candlewire || :
    fi
    for name in $redis_users; do
        if [ ! -s "$destdir/etc/candlewire/secrets/redis-$name" ]; then
            (umask 077 && head -c 30 /dev/urandom | base64 | tr '+/' '-_' >"$unpacked/secret")
            # 30 bytes are 40 characters and the end of the line.
            [ "$(wc -c <"$unpacked/secret")" -eq 41 ] || fail $CANTWRITE "a password can't be made: is the disk full?"
            put "$unpacked/secret" "/etc/candlewire/secrets/redis-$name" 600 root:root || :
        fi
    done
}

# Refuses a Redis that others use: they could not come in any more. One that these users guard already is ours.
look_for_others() {
    [ -z "$destdir" ] && command -v redis-cli >/dev/null 2>&1 || return 0
    case $(redis-cli PING 2>&1) in
        *NOAUTH*)
            [ -e /etc/redis/candlewire-users.acl ] || fail $USAGE "this Redis has a password that is not Candlewire's:" \
                "give Candlewire a Redis of its own, or use --without-redis"
            return 0
            ;;
        PONG) ;;
        *) return 0 ;;
    esac
    if redis-cli INFO keyspace | grep -q '^db[1-9]'; then
        fail $USAGE "this Redis has keys in other databases than 0, so others use it:" \
            "give Candlewire a Redis of its own, or use --without-redis"
    fi
    others=$(redis-cli --scan --count 1000 2>/dev/null | grep -v '^cw:' | head -n 1) || :
    case $others in
        '') ;;
        *) fail $USAGE "this Redis has keys of others ('$others'), who could not come in any more:" \
            "give Candlewire a Redis of its own, or use --without-redis" ;;
    esac
}

configure_redis() {
    main=/etc/redis/redis.conf
    if [ -z "$destdir" ] && [ ! -f $main ]; then
        fail $USAGE "there is no $main: install redis-server, or use --without-redis"
    fi
    directory /etc/redis 755 root:root
    group=redis
    # Redis is given the hash of each password; the password itself stays with the program.
    users=$unpacked/users.acl
    (umask 077 && : >"$users")
    while read -r word name rest; do
        secret=$destdir/etc/candlewire/secrets/redis-$name
        if [ -s "$secret" ]; then
            hash=$(tr -d '\n' <"$secret" | sha256sum | cut -d ' ' -f 1)
            rest=$(echo "$rest" | sed "s/ resetpass / #$hash /")
        fi
        echo "$word $name $rest" >>"$users"
    done <"$here/redis/users.acl"
    put "$users" /etc/redis/candlewire-users.acl 640 "root:$group" && redis_changed=yes
    if [ ! -e "$destdir/etc/redis/candlewire.conf" ]; then
        put "$here/redis/candlewire.conf" /etc/redis/candlewire.conf 640 "root:$group" && redis_changed=yes
    elif ! cmp -s "$here/redis/candlewire.conf" "$destdir/etc/redis/candlewire.conf"; then
        put "$here/redis/candlewire.conf" /etc/redis/candlewire.conf.dist 640 "root:$group" || :
        echo "kept /etc/redis/candlewire.conf, which differs from candlewire.conf.dist beside it"
    fi
    if [ -f "$destdir$main" ] && ! grep -q '^include /etc/redis/candlewire.conf$' "$destdir$main"; then
        cp "$destdir$main" "$unpacked/redis.conf"
        printf '\ninclude /etc/redis/candlewire.conf\n' >>"$unpacked/redis.conf"
        put "$unpacked/redis.conf" $main 640 "$group:$group" && redis_changed=yes
    fi
    return 0
}

install_units() {
    directory /etc/systemd/system 755 root:root
    for unit in "$here"/systemd/*; do
        sed "s|/usr/local/|$prefix/|g" "$unit" >"$unpacked/unit"
        put "$unpacked/unit" "/etc/systemd/system/$(basename "$unit")" 644 root:root && units_changed=yes
    done
    return 0
}

# A Redis that has had snapshots only does not look at them once it is to keep an append-only file: it would start empty.
# So the file is written before.
keep_data() {
    case $(redis-cli CONFIG GET appendonly 2>/dev/null | tail -n 1) in
        no) ;;
        # It keeps one already, or is guarded by our users, under whose settings it does.
        *) return 0 ;;
    esac
    [ "$(redis-cli DBSIZE)" != 0 ] || return 0
    say "have Redis write what it holds into an append-only file"
    [ $dry = no ] || return 0
    [ "$(redis-cli CONFIG SET appendonly yes)" = OK ] || fail $CANTWRITE "Redis does not begin an append-only file"
    until redis-cli INFO persistence | grep -q '^aof_rewrite_in_progress:0'; do
        sleep 1
    done
    redis-cli INFO persistence | grep -q '^aof_last_bgrewrite_status:ok' ||
        fail $CANTWRITE "Redis could not write its append-only file: see its log; it was not restarted"
}

# Workers one by one, then the notifier, then the ingestor: see docs/UPGRADE.md.
start_all() {
    if [ $units_changed = yes ]; then
        run systemctl daemon-reload
    fi
    if [ $redis_changed = yes ]; then
        keep_data
        run systemctl restart redis-server.service
    fi
    run systemctl enable --quiet candlewire.target
    if [ $with_redis = yes ]; then
        run systemctl enable --quiet --now candlewire-backup.timer
    fi
    for unit in $(systemctl list-units --plain --no-legend 'candlewire-indicator-worker@*' | cut -d ' ' -f 1); do
        run systemctl restart "$unit"
    done
    for unit in candlewire-notifier.service candlewire-ingestor.service; do
        if is_running $unit; then
            run systemctl restart $unit
        fi
    done
    run systemctl start candlewire.target
    if grep -q '^\[\[sources\]\]' /etc/candlewire/candlewire.toml 2>/dev/null; then
        run systemctl enable --quiet --now candlewire-ingestor.service
    else
        echo "no [[sources]] in /etc/candlewire/candlewire.toml yet: then 'systemctl enable --now candlewire-ingestor'"
    fi
}

remove() {
    if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
        run systemctl disable --quiet --now candlewire.target candlewire-backup.timer candlewire-ingestor.service || :
        run systemctl stop candlewire-ingestor.service candlewire-notifier.service 'candlewire-indicator-worker@*' || :
        for number in 1 2 3 4 5 6 7 8 9; do
            run systemctl disable --quiet "candlewire-indicator-worker@$number.service" || :
        done
    fi
    for unit in "$here"/systemd/*; do
        run rm -f "$destdir/etc/systemd/system/$(basename "$unit")"
    done
    for program in $programs; do
        run rm -f "$destdir$prefix/bin/$program"
    done
    run rm -rf "$destdir$prefix/lib/candlewire" "$destdir$prefix/share/doc/candlewire"
    if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
        run systemctl daemon-reload
    fi
    echo "left as they are: /etc/candlewire, /var/backups/candlewire, Redis with its data and settings, the user candlewire"
}

while [ $# -gt 0 ]; do
    case $1 in
        --from | --prefix)
            [ $# -ge 2 ] || fail $USAGE "$1 needs a value"
            case $1 in
                --from) from=$2 ;;
                --prefix) prefix=$2 ;;
            esac
            shift
            ;;
        --without-redis) with_redis=no ;;
        --no-start) start=no ;;
        --dry-run) dry=yes ;;
        --uninstall) uninstall=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) fail $USAGE "unknown argument $1; --help lists all" ;;
    esac
    shift
done
case $prefix in
    /*) ;;
    *) fail $USAGE "--prefix is not a path from the root: $prefix" ;;
esac
if [ -z "$destdir" ] && [ $dry = no ] && [ "$(id -u)" -ne 0 ]; then
    fail $USAGE "needs root; DESTDIR=/some/where and --dry-run don't"
fi
if [ $uninstall = yes ]; then
    remove
    exit 0
fi
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
unpacked=$(mktemp -d)
find_programs
if [ $with_redis = yes ]; then
    look_for_others
fi
make_user
install_programs
configure
if [ $with_redis = yes ]; then
    configure_redis
fi
install_units
if system; then
    start_all
elif [ $redis_changed = yes ] && [ -z "$destdir" ]; then
    echo "restart Redis for its new settings, then start candlewire.target"
fi
