//! Webhooks: a signed POST of the alert as JSON.

use candlewire_common::time::UnixMillis;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue};
use reqwest::{Client, Url};

use crate::alert::Alert;
use crate::failure::DeliverError;
use crate::http::{self, Deadline};
use crate::payload;
use crate::redaction::Redaction;
use crate::signature::Signer;

/// One endpoint.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    signer: Signer,
    redaction: Redaction,
}

impl Webhook {
    /// An endpoint at `url` whose answers are shown through `redaction`.
    pub(crate) fn new(client: Client, url: Url, signer: Signer, redaction: Redaction) -> Self {
        Self { client, url, signer, redaction }
    }

    /// Posts the alert; any 2xx is an acceptance.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every other answer, and for none.
    pub(crate) async fn deliver(&self, alert: &Alert, deadline: Deadline) -> Result<(), DeliverError> {
        let body = payload::body(alert).map_err(|error| DeliverError::Rejected(error.to_string()))?;
        let headers = self.headers(alert.signal.id.as_str(), &body);
        let headers = headers.map_err(|error| DeliverError::Rejected(error.to_string()))?;
        // Credentials in the URL become an `authorization` header here.
        let request = self.client.post(self.url.clone()).headers(headers).body(body);
        let answer = http::exchange(request, deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        if answer.status.is_success() { Ok(()) } else { Err(DeliverError::answered(&answer, &self.redaction)) }
    }

    fn headers(&self, id: &str, body: &[u8]) -> Result<HeaderMap, InvalidHeaderValue> {
        let timestamp = UnixMillis::now().0.div_euclid(1_000);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", HeaderValue::from_str(id)?);
        headers.insert("webhook-timestamp", timestamp.into());
        headers.insert("webhook-signature", HeaderValue::from_str(&self.signer.sign(id, timestamp, body))?);
        Ok(headers)
    }
}
