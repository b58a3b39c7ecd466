# The three programs in one image; its targets differ in what they start and how they are asked for their health:
#   docker build --target indicator-worker -t candlewire-indicator-worker .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# The image is smaller by a third without symbols; a panic names its place all the same.
ENV CARGO_PROFILE_RELEASE_STRIP=symbols

# Dependencies first, with empty crates in place of ours: this layer is built again only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY chaos/Cargo.toml chaos/
COPY common/Cargo.toml common/
COPY demo/Cargo.toml demo/
COPY deployment/Cargo.toml deployment/
COPY indicator-worker/Cargo.toml indicator-worker/
COPY ingestor/Cargo.toml ingestor/
COPY monitoring/Cargo.toml monitoring/
COPY notifier/Cargo.toml notifier/
COPY testkit/Cargo.toml testkit/
RUN set -eu; \
    for crate in */; do \
        mkdir "$crate/src"; \
        touch "$crate/src/lib.rs"; \
    done; \
    mkdir common/benches; \
    touch common/benches/indicators.rs; \
    for program in chaos demo indicator-worker ingestor notifier; do \
        echo 'fn main() {}' > "$program/src/main.rs"; \
    done; \
    cargo build --release --locked -p ingestor -p indicator-worker -p notifier

COPY common common
COPY indicator-worker indicator-worker
COPY ingestor ingestor
COPY notifier notifier
# The commit, which candlewire_build_info shows.
ARG CANDLEWIRE_GIT_SHA=unknown
# cargo compares times, and the real files may be older than the empty ones were.
RUN find common indicator-worker ingestor notifier -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p ingestor -p indicator-worker -p notifier

FROM debian:bookworm-slim AS programs
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/ingestor /build/target/release/indicator-worker \
    /build/target/release/notifier /usr/local/bin/
COPY candlewire.toml /etc/candlewire/candlewire.toml
COPY data /usr/share/candlewire/data
COPY LICENSE docs/licences /usr/share/doc/candlewire/
ENV CANDLEWIRE_CONFIG=/etc/candlewire/candlewire.toml
ARG CANDLEWIRE_GIT_SHA=unknown
LABEL org.opencontainers.image.title="Candlewire" \
    org.opencontainers.image.description="Watches closed candles in Redis Streams and tells when moving averages cross" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision="${CANDLEWIRE_GIT_SHA}" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
USER 65532:65532

# Each program asks itself; where it listens is in the same configuration.
FROM programs AS ingestor
CMD ["ingestor", "run"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["ingestor", "health"]

FROM programs AS notifier
CMD ["notifier", "run"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["notifier", "health"]

# The last one is what `docker build` makes when no target is named.
FROM programs AS indicator-worker
CMD ["indicator-worker", "run"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["indicator-worker", "health"]
