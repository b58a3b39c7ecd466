//! The TLS provider of the process: *ring*, for `rediss://` and for webhooks.

/// Makes *ring* the provider. To be called once at start, before the first connection.
pub fn install() {
    // A second call, as tests make it, keeps the first provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
