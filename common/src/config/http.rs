//! `[http]`: where each process serves `/metrics`, `/livez` and `/readyz`.

use std::net::SocketAddr;

use serde::Deserialize;

use super::error::{Key, Problem};

/// Where each process serves its metrics and health.
#[derive(Clone, Copy, Debug)]
pub struct HttpConfig {
    /// The ingestor.
    pub ingestor: SocketAddr,
    /// The indicator-worker.
    pub indicator_worker: SocketAddr,
    /// The notifier.
    pub notifier: SocketAddr,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawHttp {
    ingestor: Option<String>,
    indicator_worker: Option<String>,
    notifier: Option<String>,
}

impl RawHttp {
    pub(super) fn check(self, key: &Key) -> Result<HttpConfig, Problem> {
        let address = |name: &str, value: Option<String>, port: u16| match value {
            None => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
            Some(text) => {
                text.trim().parse().map_err(|_| key.child(name).problem("not an address such as \"127.0.0.1:9101\""))
            }
        };
        Ok(HttpConfig {
            ingestor: address("ingestor", self.ingestor, 9101)?,
            indicator_worker: address("indicator_worker", self.indicator_worker, 9102)?,
            notifier: address("notifier", self.notifier, 9103)?,
        })
    }
}
