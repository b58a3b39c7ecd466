# One image with the three programs: docker build -t candlewire .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# Dependencies first, with empty crates in place of ours: this layer is built again only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY chaos/Cargo.toml chaos/
COPY common/Cargo.toml common/
COPY demo/Cargo.toml demo/
COPY indicator-worker/Cargo.toml indicator-worker/
COPY ingestor/Cargo.toml ingestor/
COPY monitoring/Cargo.toml monitoring/
COPY notifier/Cargo.toml notifier/
COPY testkit/Cargo.toml testkit/
RUN set -eu; \
    for crate in chaos common demo indicator-worker ingestor monitoring notifier testkit; do \
        mkdir "$crate/src"; \
        touch "$crate/src/lib.rs"; \
    done; \
    for program in chaos demo indicator-worker ingestor notifier; do \
        echo 'fn main() {}' > "$program/src/main.rs"; \
    done; \
    cargo build --release --locked -p ingestor -p indicator-worker -p notifier

COPY common common
COPY indicator-worker indicator-worker
COPY ingestor ingestor
COPY notifier notifier
# cargo compares times, and the real files may be older than the empty ones were.
RUN find common indicator-worker ingestor notifier -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p ingestor -p indicator-worker -p notifier

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/ingestor /build/target/release/indicator-worker \
    /build/target/release/notifier /usr/local/bin/
COPY candlewire.toml /etc/candlewire/candlewire.toml
COPY data /usr/share/candlewire/data
COPY docs/licences /usr/share/doc/candlewire/licences
ENV CANDLEWIRE_CONFIG=/etc/candlewire/candlewire.toml
USER 65532:65532
CMD ["indicator-worker", "run"]
