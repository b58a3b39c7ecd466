//! Turns: the alerts of one series reach a recipient one after another, in the order they were found.
//!
//! A trader who reads "sell" before the "buy" that came first is misled. So an attempt waits for the one
//! before it of the same series, but not for ever: what hangs, or is to be tried again later, does not
//! hold up what follows.

use std::collections::HashMap;
use std::time::Duration;

use candlewire_common::series::Series;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The attempts under way, by series. Belongs to one recipient's task.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: HashMap<Series, oneshot::Receiver<()>>,
}

/// One attempt's place behind the one before it. Dropped, it lets the next one go.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _ends: Option<oneshot::Sender<()>>,
}

impl Turns {
    /// Queues an attempt behind the others of its series; one without a series goes at once.
    pub(crate) fn next(&mut self, series: Option<&Series>) -> Turn {
        let Some(series) = series else { return Turn { before: None, _ends: None } };
        let (ends, end) = oneshot::channel();
        Turn { before: self.last.insert(series.clone(), end), _ends: Some(ends) }
    }

    /// Forgets the series whose attempts have ended. To be called when nothing is under way.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }
}

impl Turn {
    /// Waits until the attempt before has ended, for at most `patience`. Cancel-safe.
    pub(crate) async fn wait(&mut self, patience: Duration) {
        if let Some(before) = &mut self.before {
            // Its end is the sender's drop; beyond patience the order is given up.
            let _ = timeout(patience, before).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn an_attempt_waits_for_the_one_before_of_its_series_alone() {
        let series: Vec<Series> = ["csv:A:1m", "csv:B:1m"].map(|text| text.parse().unwrap()).into();
        let mut turns = Turns::default();
        let (first, mut second) = (turns.next(Some(&series[0])), turns.next(Some(&series[0])));
        let mut other = turns.next(Some(&series[1]));
        let mut unknown = turns.next(None);
        let began = tokio::time::Instant::now();
        other.wait(PATIENCE).await;
        unknown.wait(PATIENCE).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let ends = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(first);
        };
        tokio::join!(ends, second.wait(PATIENCE));
        assert_eq!(began.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_does_not_hold_up_what_follows() {
        let series: Series = "csv:A:1m".parse().unwrap();
        let mut turns = Turns::default();
        let _hangs = turns.next(Some(&series));
        let began = tokio::time::Instant::now();
        turns.next(Some(&series)).wait(PATIENCE).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
