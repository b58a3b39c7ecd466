#!/usr/bin/env bash
# Builds and runs the whole docker-compose.yml, breaks it, and checks what docs/CONTAINERS.md promises. Everything that it
# starts belongs to a compose project of its own and is removed at the end.
#
# Needs a Docker engine with `docker compose` or docker-compose 1.29, curl and python3. Where no registry can be reached,
# scripts/stand-in-images.sh makes the public images first. KEEP=1 leaves all of it running for a look.
set -euo pipefail
cd "$(dirname "$0")/.."

export COMPOSE_PROJECT_NAME=candlewire-trial
export PUBLISHED_REDIS_PORT=16380 PUBLISHED_GRAFANA_PORT=13000 PUBLISHED_PROMETHEUS_PORT=19090
export PUBLISHED_ALERTMANAGER_PORT=19093
export DEMO_SPEED=max
CANDLEWIRE_GIT_SHA=$(git rev-parse --short HEAD)
export CANDLEWIRE_GIT_SHA

PROGRAMS=(ingestor indicator-worker notifier)
trial=$(mktemp -d "${TMPDIR:-/tmp}/compose-trial.XXXXXX")
# Only for the trial: dependencies are fetched over the host's own network, which may have a proxy.
cat >"$trial/build.yml" <<'YAML'
services:
  ingestor: {build: {network: host}}
  indicator-worker: {build: {network: host}}
  notifier: {build: {network: host}}
YAML

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
dc() {
    "${compose[@]}" -f docker-compose.yml -f "$trial/build.yml" "$@"
}

finish() {
    local status=$?
    if [ $status -ne 0 ]; then
        dc --profile alerts ps -a || true
        dc --profile alerts logs --tail 15 || true
    fi
    if [ -z "${KEEP:-}" ]; then
        dc --profile alerts down --volumes --timeout 20 >"$trial/down.log" 2>&1 || true
    fi
    rm -rf "$trial"
    exit $status
}
trap finish EXIT

say() {
    printf '%4d s  %s\n' "$SECONDS" "$*"
}

fail() {
    say "FAILED: $*" >&2
    exit 1
}

# until_true SECONDS WHAT COMMAND…: asks again and again until the command succeeds.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >"$trial/last" 2>&1; do
        [ $SECONDS -lt $deadline ] || { cat "$trial/last" >&2; fail "not so in time: $what"; }
        sleep 0.5
    done
    say "$what"
}

containers() {
    docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        ${1:+--filter "label=com.docker.compose.service=$1"}
}

of_service() {
    docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$1"
}

# all_healthy COUNT: so many containers run, and each says that it is healthy.
all_healthy() {
    local ids state
    mapfile -t ids < <(containers)
    [ ${#ids[@]} -eq "$1" ] || { echo "${#ids[@]} containers"; return 1; }
    for id in "${ids[@]}"; do
        state=$(docker inspect --format '{{.State.Health.Status}}' "$id")
        [ "$state" = healthy ] || { echo "$(of_service "$id") is $state"; return 1; }
    done
}

prometheus() {
    curl --silent --show-error --fail "http://127.0.0.1:$PUBLISHED_PROMETHEUS_PORT/api/v1/$1"
}

# targets_up JOB COUNT
targets_up() {
    prometheus 'targets?state=active' | python3 -c '
import json, sys
job, wanted = sys.argv[1], int(sys.argv[2])
targets = [t for t in json.load(sys.stdin)["data"]["activeTargets"] if t["labels"]["job"] == job]
up = [t for t in targets if t["health"] == "up"]
print(f"{job}: {len(up)} of {len(targets)} up:", *[t["lastError"] for t in targets])
sys.exit(not len(up) == len(targets) == wanted)' "$1" "$2"
}

# value QUERY: the value of a query that has one result.
value() {
    local encoded
    encoded=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$1")
    prometheus "query?query=$encoded" | python3 -c '
import json, sys
results = json.load(sys.stdin)["data"]["result"]
print(results[0]["value"][1] if len(results) == 1 else f"{len(results)} results")'
}

value_is() {
    local seen
    seen=$(value "$1")
    echo "$1 is $seen"
    [ "$seen" = "$2" ]
}

alerts_printed() {
    local count
    count=$(dc logs --no-color notifier | grep -c ' EURUSD 1h · golden-cross · ') || true
    echo "$count alerts"
    [ "$count" -ge "$1" ]
}

replay_is_over() {
    dc logs --no-color ingestor | grep 'nothing is left to publish'
}

redis() {
    # shellcheck disable=SC2016  # It is the container's shell that reads the file.
    dc exec -T redis sh -c 'REDISCLI_AUTH=$(cat /run/candlewire/redis_password) exec redis-cli "$@"' redis-cli "$@"
}

# The sum of what a command says of each partition's stream.
over_partitions() {
    redis EVAL 'local sum = 0
        for p = 0, 15 do sum = sum + redis.call(ARGV[1], "cw:{" .. p .. "}:" .. ARGV[2]) end
        return sum' 0 "$@"
}

signals() {
    over_partitions XLEN signals
}

published_twice() {
    local candles
    candles=$(over_partitions XLEN candles)
    echo "$candles candles"
    [ "$candles" -eq $((2 * 6225)) ]
}

nothing_unread() {
    value_is 'sum(increase(candlewire_candles_processed_total{outcome="duplicate"}[5m])) >= bool 6000' 1
}

# Sends one line to Redis where this machine reaches it, and prints the answer.
ask_redis() {
    local answer
    exec 3<>"/dev/tcp/127.0.0.1/$PUBLISHED_REDIS_PORT"
    printf '%s\r\n' "$1" >&3
    read -r -t 5 answer <&3
    exec 3>&-
    echo "$answer"
}

# Whether a container reaches a server on the Internet; its image has no tool for that, so another looks from inside.
has_way_out() {
    docker run --rm --network "container:$1" debian:bookworm-slim \
        timeout 5 bash -c 'exec 3<>/dev/tcp/deb.debian.org/80' >/dev/null 2>&1
}

# Looks at the processes themselves, not at what was asked for.
confined() {
    local name pid status
    name=$(of_service "$1")
    pid=$(docker inspect --format '{{.State.Pid}}' "$1")
    status=$(cat "/proc/$pid/status")
    grep -Eq '^Uid:\s+[1-9]' <<<"$status" || fail "$name runs as root"
    grep -Eq '^CapEff:\s+0+$' <<<"$status" || fail "$name has capabilities"
    grep -Eq '^CapBnd:\s+0+$' <<<"$status" || fail "$name can get capabilities"
    grep -Eq '^NoNewPrivs:\s+1$' <<<"$status" || fail "$name can get privileges"
    grep -Eq '^\S+ / \S+ ro[, ]' "/proc/$pid/mounts" || fail "the root file system of $name can be written to"
    docker inspect --format '{{range $port, $at := .NetworkSettings.Ports}}{{range $at}}{{.HostIp}} {{end}}{{end}}' "$1" \
        | tr ' ' '\n' | grep -v '^$' | grep -vq '^127\.0\.0\.1$' && fail "$name is published beyond 127.0.0.1"
    return 0
}

restarted_and_healthy() {
    local state
    state=$(docker inspect --format '{{.RestartCount}} {{.State.Health.Status}}' "$1")
    echo "$state"
    [ "$state" = "1 healthy" ]
}

alertmanager_is_found() {
    prometheus alertmanagers | python3 -c '
import json, sys
found = json.load(sys.stdin)["data"]["activeAlertmanagers"]
print(found)
sys.exit(len(found) != 1)'
}

memory() {
    # shellcheck disable=SC2046
    docker stats --no-stream --format '{{.Name}}\t{{.MemUsage}}\t{{.PIDs}} threads' $(containers) | sort | sed 's/^/        /'
}

"${compose[@]}" --profile alerts config -q
say "docker-compose.yml is valid for $("${compose[@]}" version --short)"

started=$SECONDS
dc build >"$trial/build.log" 2>&1 || { tail -n 40 "$trial/build.log"; fail "the images can't be built"; }
say "built in $((SECONDS - started)) s: $(for program in "${PROGRAMS[@]}"; do
    docker image inspect --format '{{.Size}}' "$COMPOSE_PROJECT_NAME-$program" 2>/dev/null \
        || docker image inspect --format '{{.Size}}' "${COMPOSE_PROJECT_NAME}_$program"
done | awk '{ printf "%s%.0f MB", sep, $1 / 1e6; sep = ", " }')"

started=$SECONDS
dc up -d >"$trial/up.log" 2>&1 || { cat "$trial/up.log"; fail "docker compose up -d"; }
say "docker compose up -d took $((SECONDS - started)) s"
until_true 120 "all six are healthy" all_healthy 6
until_true 60 "an alert is printed" alerts_printed 1
until_true 60 "all 44 alerts of the year are printed" alerts_printed 44
until_true 30 "the end of the replay ends nothing" replay_is_over
for program in "${PROGRAMS[@]}"; do
    until_true 60 "$program is scraped" targets_up "$program" 1
done
until_true 30 "the build's commit is in the metrics" \
    value_is "count(candlewire_build_info{git_sha=\"$CANDLEWIRE_GIT_SHA\"})" 3

until_true 30 "no alert fires but the one that always does" \
    value_is 'sum(ALERTS{alertstate="firing", alertname!="Watchdog"} or vector(0))' 0

for id in $(containers); do
    confined "$id"
done
say "nobody is root, root file systems are read-only, no capability is left, nothing listens beyond 127.0.0.1"
curl --silent --fail "http://127.0.0.1:$PUBLISHED_GRAFANA_PORT/api/health" >/dev/null || fail "grafana can't be reached"
for service in redis indicator-worker prometheus grafana; do
    ! has_way_out "$(containers $service)" || fail "$service reaches the Internet"
done
if (exec 3<>/dev/tcp/deb.debian.org/80) 2>/dev/null; then
    for service in ingestor notifier; do
        has_way_out "$(containers $service)" || fail "$service has no way out"
    done
    say "ingestor and notifier have a way out, the others have none"
fi
[[ $(ask_redis PING) == -NOAUTH* ]] || fail "redis does not ask for a password: $(ask_redis PING)"
[[ $(ask_redis "AUTH $(dc exec -T redis cat /run/candlewire/redis_password)") == +OK* ]] || fail "the password is wrong"
say "this machine reaches redis at 127.0.0.1, with the password alone"
memory

dc up -d --scale indicator-worker=4 >"$trial/up.log" 2>&1 || { cat "$trial/up.log"; fail "--scale"; }
until_true 120 "all nine are healthy" all_healthy 9
until_true 60 "Prometheus finds four workers" targets_up indicator-worker 4
until_true 60 "all 16 partitions are owned" value_is 'sum(candlewire_partitions_owned)' 16
until_true 60 "no worker has more than four" value_is 'max(candlewire_partitions_owned)' 4

victim=$(containers indicator-worker | head -n 1)
kill -KILL "$(docker inspect --format '{{.State.Pid}}' "$victim")"
until_true 60 "a worker that was killed is back" restarted_and_healthy "$victim"
until_true 60 "its share is shared again" value_is 'count(candlewire_partitions_owned == 4)' 4

dc restart redis >"$trial/restart.log" 2>&1
until_true 120 "redis restarted, all nine are healthy again" all_healthy 9
[ "$(signals)" -eq 44 ] || fail "redis has $(signals) signals after its restart, not 44"
dc restart ingestor >"$trial/restart.log" 2>&1
until_true 60 "the ingestor replays again" published_twice
until_true 60 "all of it is read" nothing_unread
[ "$(signals)" -eq 44 ] || fail "$(signals) signals after a second replay, not 44"
say "a replay more has found no signal more"

dc --profile alerts up -d --scale indicator-worker=4 >"$trial/up.log" 2>&1 || { cat "$trial/up.log"; fail "alerts"; }
until_true 60 "the Alertmanager is healthy, too" all_healthy 10
confined "$(containers alertmanager)"
until_true 60 "Prometheus tells it" alertmanager_is_found
memory

[ -n "${KEEP:-}" ] && exit
dc --profile alerts down --volumes --timeout 20 >"$trial/down.log" 2>&1
for kind in container volume network; do
    left=$(docker "$kind" ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
    [ -z "$left" ] || fail "a $kind is left"
done
say "nothing is left after down --volumes"
