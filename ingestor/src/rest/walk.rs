//! A walk through a range of candles: request after request, until the range is through or the venue refuses.
//!
//! A venue that wants fewer requests is waited for; one that does not answer is asked three times. Nothing is asked
//! while those who take the rows have no room.

use std::time::Duration;

use crate::clock::Clock;
use crate::rest::client::RestClient;
use crate::venue::answer::{Failure, Row};
use crate::venue::pager::Pager;

/// How often a request is sent that nobody answers.
const ATTEMPTS: u32 = 3;
/// The pause after the first of them; each other is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes what a walk brings.
pub trait Sink {
    /// Waits until there is room for another page.
    fn room(&mut self) -> impl Future<Output = ()> + Send;

    /// Takes the rows of a page.
    fn rows(&mut self, rows: Vec<Row>) -> impl Future<Output = ()> + Send;

    /// Notes that the venue wants silence, and why.
    fn limited(&mut self, reason: &str, wait: Duration) -> impl Future<Output = ()> + Send;

    /// Counts a request by how it ended.
    fn requested(&mut self, outcome: Requested) -> impl Future<Output = ()> + Send;
}

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// With candles, or with none.
    Answered,
    /// The venue wants fewer.
    Limited,
    /// Otherwise.
    Failed,
}

impl Requested {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Limited, Self::Failed];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

/// Walks to the end.
///
/// # Errors
///
/// [`Failure`], the one that ended the walk; what came before it was handed on.
pub async fn walk(
    client: &RestClient,
    clock: Clock,
    pager: &mut dyn Pager,
    sink: &mut impl Sink,
) -> Result<(), Failure> {
    let mut attempt = 1;
    while let Some(request) = pager.request() {
        sink.room().await;
        let answered = client.get(&request).await.and_then(|answer| pager.take(&answer.body));
        match answered {
            Ok(rows) => {
                attempt = 1;
                client.budget().answered();
                sink.requested(Requested::Answered).await;
                sink.rows(rows).await;
            }
            Err(Failure::Limited { reason, wait }) => {
                sink.requested(Requested::Limited).await;
                let wait = client.budget().refused(wait);
                sink.limited(&reason, wait).await;
            }
            Err(Failure::Unavailable(_) | Failure::Unreadable(_)) if attempt < ATTEMPTS => {
                sink.requested(Requested::Failed).await;
                clock.sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(failure) => {
                sink.requested(Requested::Failed).await;
                return Err(failure);
            }
        }
    }
    Ok(())
}
