//! `/metrics`, `/livez` and `/readyz`: the small HTTP server of each process.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::exit::Fault;
use crate::health::Health;
use crate::metrics::Page;

const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes the address. Port 0 takes a free one. Logs where the metrics are.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when the address can't be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, Fault> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Fault::Usage(format!("http address {address}: {error}; choose another with --http or [http]"))
        })?;
        let bound = listener.local_addr().unwrap_or(address);
        tracing::info!("metrics at http://{bound}/metrics");
        Ok(Self { listener })
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the listener fails.
    pub async fn serve(self, metrics: Page, health: Health, stop: CancellationToken) -> io::Result<()> {
        let page = metrics.clone();
        let router = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(async move || ready(&health)))
            .route(
                "/metrics",
                get(async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.render())),
            );
        let upkeep = async {
            loop {
                metrics.run_upkeep();
                tokio::time::sleep(UPKEEP_EVERY).await;
            }
        };
        // A stop drops the connections: a scrape is never worth waiting for.
        tokio::select! {
            served = async { axum::serve(self.listener, router).await } => served,
            () = upkeep => Ok(()),
            () = stop.cancelled() => Ok(()),
        }
    }
}

fn ready(health: &Health) -> impl IntoResponse + use<> {
    if health.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "redis does not answer, or refuses: the log says why\n")
    }
}
