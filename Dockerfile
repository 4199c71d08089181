# syntax=docker/dockerfile:1
# One image with every program: command-service, projection-service, homefood.

FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
# The caches outlive the build; what the image needs is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p command-service -p projection-service -p homefood --bins \
    && mkdir /out \
    && cp target/release/command-service target/release/projection-service target/release/homefood /out/

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/homefood --create-home homefood
COPY --from=builder /out/ /usr/local/bin/
COPY --chmod=755 deploy/healthy.sh /usr/local/bin/healthy
USER homefood
# Only development keeps something here: the key it signs tokens with.
WORKDIR /var/lib/homefood
# 8080: commands; 8081: queries and the live feed.
EXPOSE 8080 8081
# Both services stop in an orderly way on SIGTERM; compose.yaml says which program an instance runs.
STOPSIGNAL SIGTERM
CMD ["homefood", "--help"]
