//! A walk through a range of candles: request after request, until the range is through or the venue refuses.
//!
//! A venue that wants fewer requests is waited for; one that does not answer is asked three times. Nothing is asked
//! while those who take the rows have no room.

use std::time::Duration;

use candlewire_common::time::UnixMillis;

use crate::clock::Clock;
use crate::rest::client::RestClient;
use crate::venue::answer::{Failure, Row};
use crate::venue::pager::Pager;

/// How often a request is sent that nobody answers.
const ATTEMPTS: u32 = 3;
/// The pause after the first of them; each other is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Sees how requests go.
pub trait Witness {
    /// Notes that the venue wants silence, and why.
    fn limited(&mut self, reason: &str, wait: Duration) -> impl Future<Output = ()> + Send;

    /// Counts a request by how it ended.
    fn requested(&mut self, outcome: Requested) -> impl Future<Output = ()> + Send;
}

/// Takes what a walk brings.
pub trait Sink: Witness {
    /// Waits until there is room for another page.
    fn room(&mut self) -> impl Future<Output = ()> + Send;

    /// Takes the rows of a page.
    fn rows(&mut self, rows: Vec<Row>) -> impl Future<Output = ()> + Send;
}

/// What one request brought.
#[derive(Debug)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// The venue's time, by the whole second, where it told it.
    pub venue_time: Option<UnixMillis>,
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
    while pager.request().is_some() {
        sink.room().await;
        let page = page(client, clock, pager, sink).await?;
        sink.rows(page.rows).await;
    }
    Ok(())
}

/// Asks for the next page of a walk; for none where it is through.
///
/// # Errors
///
/// [`Failure`], after which the walk is over.
pub async fn page(
    client: &RestClient,
    clock: Clock,
    pager: &mut dyn Pager,
    witness: &mut impl Witness,
) -> Result<Page, Failure> {
    let mut attempt = 1;
    while let Some(request) = pager.request() {
        let answered = client.get(&request).await;
        let taken = answered.and_then(|answer| Ok(Page { rows: pager.take(&answer.body)?, venue_time: answer.date }));
        match taken {
            Ok(page) => {
                client.budget().answered();
                witness.requested(Requested::Answered).await;
                return Ok(page);
            }
            Err(Failure::Limited { reason, wait }) => {
                witness.requested(Requested::Limited).await;
                let wait = client.budget().refused(wait);
                witness.limited(&reason, wait).await;
            }
            Err(Failure::Unavailable(_) | Failure::Unreadable(_)) if attempt < ATTEMPTS => {
                witness.requested(Requested::Failed).await;
                clock.sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(failure) => {
                witness.requested(Requested::Failed).await;
                return Err(failure);
            }
        }
    }
    Ok(Page { rows: Vec::new(), venue_time: None })
}
