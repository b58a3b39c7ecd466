//! Whom the programs believe to be their Redis, and what they show it: certificates of `rediss://`.
//!
//! Owns reading the files and refusing what can't work, once, at start. The handshakes are the client library's.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{ClientFiles, RedisAccess};
use crate::exit::Fault;

/// Adds the configured certificates.
///
/// # Errors
///
/// [`Fault::Usage`], naming the key, when a file can't be read or doesn't hold what it should.
pub(crate) fn lay(info: ConnectionInfo, access: &RedisAccess) -> Result<ConnectionInfo, Fault> {
    if access.ca_file.is_none() && access.client.is_none() {
        return Ok(info);
    }
    let root_cert = access.ca_file.as_deref().map(read_authorities).transpose()?;
    let client_tls = access.client.as_ref().map(read_client).transpose()?;
    let client = Client::build_with_tls(info, TlsCertificates { client_tls, root_cert });
    let client = client.map_err(|error| Fault::Usage(format!("redis.ca_file, redis.cert_file: {error}")))?;
    Ok(client.get_connection_info().clone())
}

fn read_authorities(path: &Path) -> Result<Vec<u8>, Fault> {
    let pem = read("redis.ca_file", path)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("redis.ca_file", path, &pem)? {
        roots.add(certificate).map_err(|error| unusable("redis.ca_file", path, error))?;
    }
    Ok(pem)
}

fn read_client(files: &ClientFiles) -> Result<ClientTlsConfig, Fault> {
    let (client_cert, client_key) = (read("redis.cert_file", &files.cert)?, read("redis.key_file", &files.key)?);
    let chain = certificates("redis.cert_file", &files.cert, &client_cert)?;
    let refused = |error: &dyn std::fmt::Display| unusable("redis.key_file", &files.key, error);
    let key = PrivateKeyDer::from_pem_slice(&client_key).map_err(|_| refused(&"holds no private key in PEM"))?;
    // Tells here and not at the first connection that a key is of another certificate.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| refused(&error))?.with_root_certificates(RootCertStore::empty());
    config.with_client_auth_cert(chain, key).map_err(|error| refused(&error))?;
    Ok(ClientTlsConfig { client_cert, client_key })
}

fn certificates(key: &str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(key, path, "holds no certificates in PEM")),
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| unusable(key, path, error))
}

fn unusable(key: &str, path: &Path, what: impl std::fmt::Display) -> Fault {
    Fault::Usage(format!("{key} = \"{}\": {what}", path.display()))
}
