//! `[redis]`: who the programs are to Redis, and whom they believe.
//!
//! Owns which combinations make sense. The files are opened by those who connect: a program that needs no Redis
//! needs no certificates either.

use std::path::PathBuf;

use secrecy::SecretString;

use super::error::{Key, Problem};
use super::recipient::SecretSource;

/// Credentials and certificates. What a URL itself says of user and password comes before these.
#[derive(Clone, Debug, Default)]
pub struct RedisAccess {
    /// The ACL user.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretSource>,
    /// Certificates of the authorities that the server's may be of, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What the programs show a server that asks for a certificate.
    pub client: Option<ClientFiles>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// The certificate, with those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The keys of `[redis]` that this is about, as they are given.
pub(super) struct RawAccess {
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) password_file: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
}

impl RawAccess {
    pub(super) fn check(self, key: &Key, urls: &[String], is_tls: bool) -> Result<RedisAccess, Problem> {
        let given = [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)];
        for (name, file) in given {
            match file {
                Some(_) if !is_tls => {
                    return Err(key.child(name).problem("needs TLS: a URL that begins with rediss://"));
                }
                Some(path) if path.is_empty() => return Err(key.child(name).problem("empty")),
                _ => {}
            }
        }
        let client = match (self.cert_file, self.key_file) {
            (Some(cert), Some(key)) => Some(ClientFiles { cert: cert.into(), key: key.into() }),
            (Some(_), None) => return Err(key.child("cert_file").problem("needs key_file")),
            (None, Some(_)) => return Err(key.child("key_file").problem("needs cert_file")),
            (None, None) => None,
        };
        let password = SecretSource::either(&key.child("password"), self.password, self.password_file)?;
        let username_key = key.child("username");
        match &self.username {
            Some(name) if name.is_empty() || name.contains(char::is_whitespace) => {
                return Err(username_key.problem("not the name of a user"));
            }
            Some(_) if password.is_none() && !urls.iter().all(|url| has_password(url)) => {
                return Err(username_key.problem("needs password or password_file"));
            }
            _ => {}
        }
        Ok(RedisAccess { username: self.username, password, ca_file: self.ca_file.map(Into::into), client })
    }
}

fn has_password(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.password().is_some())
}
