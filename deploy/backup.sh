#!/bin/sh
# Makes a backup of a running Redis, with nothing stopped, and keeps the newest. A backup is a directory:
#
#   candlewire-20261124T031500Z/dump.rdb         a snapshot, asked for now
#   candlewire-20261124T031500Z/appendonlydir/   the append-only file, where Redis keeps one
#
# It appears under its name only when it is whole and has been checked. How to restore one: docs/BACKUP.md.
#
# An append-only file is several files and a manifest that names them; Redis replaces them when it rewrites. The copies
# count only if the manifest is the same before and after. So no setting of Redis is changed, which a backup that is
# killed could not change back, and the user needs no CONFIG SET. The end of the copy may be a half transaction, which
# redis-check-aof cuts off.
set -eu

# As sysexits.h has them, and as Candlewire's programs end.
USAGE=64
DAMAGED=65
UNREACHABLE=69
FILES=74

host=127.0.0.1
port=6379
user=
password_file=
cacert=
data=
to=
keep=7
patience=1800
partial=

usage() {
    cat <<'HELP'
usage: backup.sh --to DIR [options]

  --to DIR              where backups are kept
  --keep N              how many, 7 by default
  --host HOST           127.0.0.1 by default; the files must be on this machine all the same
  --port PORT           6379 by default
  --user NAME           the ACL user: INFO, BGSAVE and CONFIG GET must be allowed to it
  --password-file FILE  holds its password
  --cacert FILE         speak TLS and trust this authority
  --data DIR            where Redis' directory is seen from here, if it is in a container
  --patience SECONDS    how long a snapshot may take, 1800 by default

ends with 0 when the backup is there, 64 for bad usage, 65 if the copies are damaged, 69 if Redis can't be reached
or refuses, 74 if files can't be read or written
HELP
}

fail() {
    code=$1
    shift
    echo "backup: $*" >&2
    exit "$code"
}

clean_up() {
    if [ -n "$partial" ]; then
        rm -rf "$partial"
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --to | --keep | --host | --port | --user | --password-file | --cacert | --data | --patience)
            [ $# -ge 2 ] || fail $USAGE "$1 needs a value"
            case $1 in
                --to) to=$2 ;;
                --keep) keep=$2 ;;
                --host) host=$2 ;;
                --port) port=$2 ;;
                --user) user=$2 ;;
                --password-file) password_file=$2 ;;
                --cacert) cacert=$2 ;;
                --data) data=$2 ;;
                --patience) patience=$2 ;;
            esac
            shift 2
            ;;
        *) fail $USAGE "unknown argument $1; --help lists all" ;;
    esac
done
[ -n "$to" ] || fail $USAGE "--to DIR is missing"
for number in "$keep" "$port" "$patience"; do
    case $number in
        '' | 0* | *[!0-9]*) fail $USAGE "not a whole number of at least 1: '$number'" ;;
    esac
done
for tool in redis-cli redis-check-rdb redis-check-aof; do
    command -v "$tool" >/dev/null 2>&1 || fail $USAGE "$tool is not installed"
done
if [ -n "$password_file" ]; then
    # In the environment and not among the arguments, which every user of the machine can read.
    REDISCLI_AUTH=$(cat -- "$password_file") || fail $USAGE "the password file can't be read"
    export REDISCLI_AUTH
fi

# Runs one command. What Redis refuses is printed like an answer; -e makes it an exit code.
ask() {
    set -- -e -h "$host" -p "$port" ${user:+--user "$user"} --no-auth-warning ${cacert:+--tls --cacert "$cacert"} "$@"
    answer=$(redis-cli "$@" 2>&1) || fail $UNREACHABLE "redis at $host:$port: $(echo "$answer" | head -n 1)"
    case $answer in
        'AUTH failed:'* | NOAUTH* | NOPERM*) fail $UNREACHABLE "redis at $host:$port: $(echo "$answer" | head -n 1)" ;;
    esac
    printf '%s\n' "$answer" | tr -d '\r'
}

setting() {
    value=$(ask CONFIG GET "$1") || exit $?
    printf '%s\n' "$value" | sed -n 2p
}

# A line of `INFO persistence` that was read into $persistence.
figure() {
    printf '%s\n' "$persistence" | sed -n "s/^$1://p"
}

look() {
    persistence=$(ask INFO persistence) || exit $?
}

# Has a snapshot written that begins after now, and waits for its end.
snapshot() {
    deadline=$(($(date +%s) + patience))
    look
    # One that is under way began before: what was written since is not in it.
    while [ "$(figure rdb_bgsave_in_progress)" = 1 ]; do
        [ "$(date +%s)" -lt "$deadline" ] || fail $UNREACHABLE "another snapshot is under way for more than $patience s"
        sleep 0.2
        look
    done
    saves=$(figure rdb_saves)
    # While the append-only file is rewritten, Redis begins later.
    ask BGSAVE SCHEDULE >/dev/null
    while :; do
        look
        if [ "$(figure rdb_saves)" -gt "$saves" ] && [ "$(figure rdb_bgsave_in_progress)" = 0 ]; then
            break
        fi
        [ "$(date +%s)" -lt "$deadline" ] || fail $UNREACHABLE "the snapshot is not there after $patience s"
        sleep 0.2
    done
    [ "$(figure rdb_last_bgsave_status)" = ok ] || fail $UNREACHABLE "redis could not write a snapshot: see its log"
}

copy_append_only_file() {
    directory=$data/$(setting appenddirname)
    manifest=$(setting appendfilename).manifest
    tries=10
    while [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        rm -rf "$partial/appendonlydir"
        mkdir "$partial/appendonlydir"
        cp -- "$directory/$manifest" "$partial/appendonlydir/$manifest" 2>/dev/null ||
            fail $FILES "$directory/$manifest can't be read"
        # A file that is gone was replaced meanwhile: then the manifest is another.
        if sed -n 's/^file \([^ ]*\) .*/\1/p' "$partial/appendonlydir/$manifest" | (
            while read -r file; do
                cp -- "$directory/$file" "$partial/appendonlydir/$file" 2>/dev/null || exit 1
            done
        ) && cmp -s "$directory/$manifest" "$partial/appendonlydir/$manifest"; then
            echo y | redis-check-aof --fix "$partial/appendonlydir/$manifest" >"$partial/check" 2>&1 ||
                fail $DAMAGED "the append-only file is damaged: $(tail -n 1 "$partial/check")"
            return
        fi
        sleep 1
    done
    fail $FILES "the append-only file in $directory can't be read, or is rewritten without end"
}

umask 077
mkdir -p -- "$to" || fail $FILES "$to can't be made"
name=candlewire-$(date -u +%Y%m%dT%H%M%SZ)
[ ! -e "$to/$name" ] || fail $FILES "$to/$name is there already"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# What a backup that was killed has left; one that is under way is younger.
find "$to" -maxdepth 1 -name '.partial.*' -mmin +1440 -exec rm -rf -- {} +
partial=$(mktemp -d "$to/.partial.XXXXXX") || fail $FILES "nothing can be written to $to"

if [ -z "$data" ]; then
    data=$(setting dir)
fi
[ -n "$data" ] || fail $UNREACHABLE "redis does not tell where its files are"
snapshot
file=$data/$(setting dbfilename)
[ -r "$file" ] || fail $FILES "$file can't be read; is Redis on this machine, or --data right?"
reason=$(cp -- "$file" "$partial/dump.rdb" 2>&1) || fail $FILES "$file can't be copied: ${reason##*: }"
redis-check-rdb "$partial/dump.rdb" >"$partial/check" 2>&1 ||
    fail $DAMAGED "the snapshot is damaged: $(tail -n 1 "$partial/check")"
if [ "$(figure aof_enabled)" = 1 ]; then
    copy_append_only_file
fi
rm -f "$partial/check"
# The name must not reach the disk before what it names.
sync
# Another backup may have taken the name meanwhile; into it this one must not go.
mv -T -- "$partial" "$to/$name" 2>/dev/null || fail $FILES "$to/$name can't be made, or is there already"
partial=
sync

# Names are times: by name is by age.
set -- "$to"/candlewire-*Z
while [ $# -gt "$keep" ]; do
    rm -rf -- "$1"
    shift
done
echo "backup: $to/$name, $(du -sk "$to/$name" | cut -f 1) KB; $# kept"
