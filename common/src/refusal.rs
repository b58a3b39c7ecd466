//! What a person must change before Redis and this program come together.
//!
//! Owns telling refusals apart, the server's of this program and this program's of the server, and the way out of each.
//! Whether to try again is not decided here.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};
use rustls::{AlertDescription, CertificateError};

use crate::connection::server_error;

/// Why the two don't come together though the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server wants a password.
    NoPassword,
    /// The server knows no such user with such a password.
    WrongPassword,
    /// The user may not do this.
    NoPermission,
    /// The server's certificate is of nobody that is trusted.
    UnknownAuthority,
    /// The server's certificate is for another host.
    WrongName,
    /// The server's certificate is not valid for another reason.
    BadCertificate,
    /// The server wants a certificate.
    NoCertificate,
    /// The server doesn't trust the certificate it was shown.
    CertificateRefused,
}

impl Refusal {
    /// Finds the refusal in an error, if it is one.
    pub(crate) fn of(error: &RedisError) -> Option<Self> {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Some(Self::WrongPassword);
        }
        if let Some(tls) = tls_error(error) {
            return Self::of_tls(tls);
        }
        match server_error(error)?.code() {
            "NOAUTH" => Some(Self::NoPassword),
            "WRONGPASS" => Some(Self::WrongPassword),
            "NOPERM" => Some(Self::NoPermission),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(Self::UnknownAuthority),
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Some(Self::WrongName),
            rustls::Error::InvalidCertificate(_) => Some(Self::BadCertificate),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Some(Self::NoCertificate),
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::DecryptError,
            ) => Some(Self::CertificateRefused),
            _ => None,
        }
    }

    /// Whether it is the server that refuses this program.
    pub(crate) fn is_the_servers(self) -> bool {
        match self {
            Self::NoPassword
            | Self::WrongPassword
            | Self::NoPermission
            | Self::NoCertificate
            | Self::CertificateRefused => true,
            Self::UnknownAuthority | Self::WrongName | Self::BadCertificate => false,
        }
    }

    /// Whether no connection comes about at all.
    pub(crate) fn is_at_the_door(self) -> bool {
        self != Self::NoPermission
    }

    /// What to change.
    pub(crate) fn way_out(self) -> &'static str {
        match self {
            Self::NoPassword => "set redis.password_file, and redis.username if it is an ACL user",
            Self::WrongPassword => "compare redis.username and its password with the server's users",
            Self::NoPermission => "the server's ACL must allow it to the user of redis.username",
            Self::UnknownAuthority => "redis.ca_file must hold the certificate of its authority",
            Self::WrongName => "redis.url must have a name or address that its certificate is for",
            Self::BadCertificate => "the server needs another certificate",
            Self::NoCertificate => "set redis.cert_file and redis.key_file",
            Self::CertificateRefused => "redis.cert_file must be of an authority that the server trusts, and valid",
        }
    }
}

fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    // The client library shares the cause: what its error names as the source is the share itself.
    let shared: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
    let inner = shared.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.and_then(|inner| inner.downcast_ref()).or_else(|| shared.downcast_ref())
}
