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
    last: HashMap<Series, Before>,
}

/// What an attempt waits for: the one before it has begun, and has ended. Both are the senders' drops.
#[derive(Debug)]
struct Before {
    begins: oneshot::Receiver<()>,
    ends: oneshot::Receiver<()>,
}

/// One attempt's place behind the one before it. Dropped, it lets the next one go.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<Before>,
    begins: Option<oneshot::Sender<()>>,
    _ends: Option<oneshot::Sender<()>>,
}

impl Turns {
    /// Queues an attempt behind the others of its series; one without a series goes at once.
    pub(crate) fn next(&mut self, series: Option<&Series>) -> Turn {
        let Some(series) = series else { return Turn { before: None, begins: None, _ends: None } };
        let (has_begun, begins) = oneshot::channel();
        let (has_ended, ends) = oneshot::channel();
        let before = self.last.insert(series.clone(), Before { begins, ends });
        Turn { before, begins: Some(has_begun), _ends: Some(has_ended) }
    }

    /// Forgets the series whose attempts have ended. To be called when nothing is under way.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }
}

impl Turn {
    /// Waits until the attempt before has ended, for at most `patience` from when it began. To be waited to the end.
    pub(crate) async fn wait(&mut self, patience: Duration) {
        if let Some(Before { begins, ends }) = self.before.take() {
            let _ = begins.await;
            // Beyond patience the order is given up.
            let _ = timeout(patience, ends).await;
        }
        self.begins = None;
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
        let (mut first, mut second) = (turns.next(Some(&series[0])), turns.next(Some(&series[0])));
        let mut other = turns.next(Some(&series[1]));
        let mut unknown = turns.next(None);
        let began = tokio::time::Instant::now();
        other.wait(PATIENCE).await;
        unknown.wait(PATIENCE).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        first.wait(PATIENCE).await;
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
        let mut hangs = turns.next(Some(&series));
        hangs.wait(PATIENCE).await;
        let began = tokio::time::Instant::now();
        turns.next(Some(&series)).wait(PATIENCE).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
    /// Of many that wait, none goes before the one before it has had its time.
    #[tokio::test(start_paused = true)]
    async fn patience_is_for_the_one_before_not_for_all_of_them() {
        let series: Series = "csv:A:1m".parse().unwrap();
        let mut turns = Turns::default();
        let began = tokio::time::Instant::now();
        let attempts = (0..5).map(|_| {
            let mut turn = turns.next(Some(&series));
            async move {
                turn.wait(2 * Duration::from_secs(1)).await;
                let at = began.elapsed().as_secs_f64();
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                at
            }
        });
        let mut tasks: tokio::task::JoinSet<f64> = attempts.collect();
        let mut times = Vec::new();
        while let Some(Ok(at)) = tasks.join_next().await {
            times.push(at);
        }
        assert_eq!(times, [0.0, 1.5, 3.0, 4.5, 6.0]);
    }
}
