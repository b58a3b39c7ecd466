//! The alerts that came in so far.
//!
//! Owns the walk through what the receiver recorded: each request is looked at once. A request whose
//! signature is wrong is no alert.

use anyhow::{Result, ensure};
use candlewire_testkit::WebhookReceiver;
use candlewire_testkit::webhook_receiver::{REQUESTS_KEPT, Verdict};

use crate::alert::Alert;

/// The alerts that came in so far.
#[derive(Debug, Default)]
pub struct Inbox {
    alerts: Vec<Alert>,
    requests_seen: usize,
}

impl Inbox {
    /// Takes in what has arrived since the last time and returns it.
    ///
    /// # Errors
    ///
    /// For a signature that is wrong, and for a body that is no alert.
    pub fn collect(&mut self, receiver: &WebhookReceiver) -> Result<&[Alert]> {
        let known = self.alerts.len();
        if receiver.received() > self.requests_seen as u64 {
            let requests = receiver.requests();
            ensure!(
                requests.len() < REQUESTS_KEPT,
                "{REQUESTS_KEPT} alerts and more: the receiver can't keep them all"
            );
            for request in &requests[self.requests_seen..] {
                if let Verdict::Rejected(reason) = &request.verdict {
                    anyhow::bail!("an alert came with a bad signature: {reason}");
                }
                self.alerts.push(Alert::read(request)?);
            }
            self.requests_seen = requests.len();
        }
        Ok(&self.alerts[known..])
    }

    /// Returns all of them, in the order of their arrival.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }
}
