//! Standard Webhooks signatures.
//!
//! Owns the secrets of one recipient. Each is 24 to 64 bytes; with several, every request carries a
//! signature of each, the current one's first, so that the receiver can change over in its own time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// Why a secret is refused. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    /// Nothing after the prefix.
    #[error("the secret is empty: whsec_ and {BYTES_MIN} to {BYTES_MAX} bytes in base64 are needed")]
    Empty,
    /// Not base64.
    #[error("the secret is not base64 after whsec_")]
    Encoding,
    /// Too short to be safe, or longer than the standard has it.
    #[error("the secret has {0} bytes, not {BYTES_MIN} to {BYTES_MAX}")]
    Length(usize),
}

/// Signs requests to one recipient.
#[derive(Debug)]
pub(crate) struct Signer {
    keys: Vec<SecretSlice<u8>>,
}

impl Signer {
    /// Reads the secrets, the current one first.
    ///
    /// # Errors
    ///
    /// [`SecretError`] of the first that is refused.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, SecretError> {
        let keys: Vec<_> = secrets.into_iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SecretError::Empty) } else { Ok(Self { keys }) }
    }

    /// The value of `webhook-signature` for a request sent at `timestamp`, in Unix seconds.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signatures: Vec<String> = self
            .keys
            .iter()
            .filter_map(|key| {
                let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
                mac.update(format!("{id}.{timestamp}.").as_bytes());
                mac.update(body);
                Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
            })
            .collect();
        signatures.join(" ")
    }
}

fn key(secret: &SecretString) -> Result<SecretSlice<u8>, SecretError> {
    let text = secret.expose_secret().trim();
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    if text.is_empty() {
        return Err(SecretError::Empty);
    }
    let bytes = STANDARD.decode(text).map_err(|_| SecretError::Encoding)?;
    if (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
        Ok(bytes.into())
    } else {
        Err(SecretError::Length(bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        sign: Vec<Vector>,
        reject: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        secrets: Vec<String>,
        webhook_id: String,
        timestamp: i64,
        payload: String,
        signature: String,
    }

    fn vectors() -> Vectors {
        match serde_json::from_str(include_str!("../tests/fixtures/standard-webhooks.json")) {
            Ok(vectors) => vectors,
            Err(error) => panic!("{error}"),
        }
    }

    fn signer(secrets: &[String]) -> Result<Signer, SecretError> {
        let secrets: Vec<SecretString> = secrets.iter().cloned().map(SecretString::from).collect();
        Signer::new(&secrets)
    }

    #[test]
    fn signatures_are_those_of_the_reference_libraries() {
        for Vector { name, secrets, webhook_id, timestamp, payload, signature } in vectors().sign {
            let signed = signer(&secrets).map(|signer| signer.sign(&webhook_id, timestamp, payload.as_bytes()));
            assert_eq!(signed, Ok(signature), "{name}");
        }
    }

    #[test]
    fn unsafe_secrets_are_refused_and_not_quoted() {
        for secret in vectors().reject {
            assert_eq!(signer(&[secret]).err(), Some(SecretError::Empty));
        }
        assert_eq!(signer(&[]).err(), Some(SecretError::Empty));
        let refused = signer(&["whsec_c2hvcnQ=".to_owned()]).err();
        assert_eq!(refused, Some(SecretError::Length(5)));
        assert_eq!(signer(&["whsec_???".to_owned()]).err(), Some(SecretError::Encoding));
        assert_eq!(signer(&[format!("whsec_{}", STANDARD.encode([7; 65]))]).err(), Some(SecretError::Length(65)));
        assert!(signer(&[STANDARD.encode([7; 64])]).is_ok());
        assert!(refused.is_some_and(|error| !error.to_string().contains("c2hvcnQ")));
    }

    #[test]
    fn the_standards_own_library_accepts_a_signature() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let Ok(webhook) = standardwebhooks::Webhook::new(&secret) else { panic!("secret refused") };
        let now = candlewire_common::time::UnixMillis::now().0 / 1_000;
        let signature = signer(&[secret]).map(|signer| signer.sign("sig_1", now, b"{}")).unwrap_or_default();
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in
            [("webhook-id", "sig_1"), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)]
        {
            headers.insert(name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        assert!(webhook.verify(b"{}", &headers).is_ok());
        assert!(webhook.verify(b"{} ", &headers).is_err());
    }
}
