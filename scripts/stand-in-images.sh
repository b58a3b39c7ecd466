#!/usr/bin/env bash
# Makes stand-ins for the public images that Dockerfile and docker-compose.yml name, under their own tags, where no
# registry can be reached. For scripts/compose-trial.sh alone: they are Debian's packages on a Debian of debootstrap,
# not what their publishers ship, and of Grafana, which Debian does not have, only the health page is there.
# An image that is there already is left as it is. Needs root, a Docker engine, debootstrap and a Rust toolchain.
set -euo pipefail

work=$(mktemp -d "${TMPDIR:-/var/tmp}/stand-in-images.XXXXXX")
trap 'rm -rf "$work"' EXIT

have() {
    docker image inspect "$1" >/dev/null 2>&1
}

# stand_in TAG [DIRECTORY] < Dockerfile: packages come over the host's own network.
stand_in() {
    local tag=$1 context=${2:-$work/empty}
    have "$tag" && return
    echo "stand-in for $tag"
    mkdir -p "$context"
    docker build --quiet --network host --label candlewire.stand-in=true --tag "$tag" --file - "$context" >/dev/null
}

if ! have debian:bookworm-slim; then
    echo "stand-in for debian:bookworm-slim"
    debootstrap --variant=minbase bookworm "$work/root" >"$work/debootstrap.log" || {
        tail -n 20 "$work/debootstrap.log" >&2
        exit 1
    }
    # What the slim image leaves out, too.
    rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/{doc,man,locale}/*
    tar -C "$work/root" -c . | docker import --change 'CMD ["bash"]' --change 'LABEL candlewire.stand-in=true' \
        - debian:bookworm-slim >/dev/null
    rm -rf "$work/root"
fi

if ! have rust:1.95-slim-bookworm; then
    mkdir -p "$work/rust"
    cp -rL --parents "$(rustc --print sysroot)"/{bin,lib,libexec} "$work/rust/"
    mv "$work/rust$(rustc --print sysroot)" "$work/rust/toolchain"
    # crates.io may be reached through a proxy with a certificate of its own.
    cp /etc/ssl/certs/ca-certificates.crt "$work/rust/"
    stand_in rust:1.95-slim-bookworm "$work/rust" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local/
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV CARGO_HOME=/usr/local/cargo
DOCKERFILE
fi

stand_in redis:7 <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN groupadd -r -g 999 redis && useradd -r -g redis -u 999 redis && apt-get update \
    && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
    && mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
DOCKERFILE

# Like the publisher's, the next three bring BusyBox's wget.
stand_in prom/prometheus:v3.5.0 <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends busybox prometheus && rm -rf /var/lib/apt/lists/* \
    && ln -s /bin/busybox /usr/bin/wget && mkdir -p /prometheus && chown 65534:65534 /prometheus
USER 65534
VOLUME /prometheus
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
DOCKERFILE

stand_in prom/alertmanager:v0.28.1 <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends busybox prometheus-alertmanager \
    && rm -rf /var/lib/apt/lists/* && ln -s /bin/busybox /usr/bin/wget \
    && mkdir -p /alertmanager && chown 65534:65534 /alertmanager
USER 65534
VOLUME /alertmanager
WORKDIR /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
DOCKERFILE

stand_in grafana/grafana:11.6.0 <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends busybox && rm -rf /var/lib/apt/lists/* \
    && ln -s /bin/busybox /usr/bin/wget && mkdir -p /srv/api /var/lib/grafana && chown 472:0 /var/lib/grafana \
    && echo '{"database":"ok"}' >/srv/api/health
USER 472
CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/srv"]
DOCKERFILE
