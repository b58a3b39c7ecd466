//! The console: alerts on standard output, two lines each.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::failure::DeliverError;
use crate::message::Message;
use crate::text::Text;

/// Standard output, which all recipients of this kind share.
#[derive(Clone)]
pub(crate) struct Console {
    /// One print at a time: one that nobody reads holds its thread until somebody does.
    idle: Arc<Semaphore>,
}

impl Default for Console {
    fn default() -> Self {
        Self { idle: Arc::new(Semaphore::new(1)) }
    }
}

impl Console {
    /// Prints the alert.
    ///
    /// # Errors
    ///
    /// [`DeliverError::NoAnswer`] when standard output is closed, or nobody reads it.
    pub(crate) async fn deliver(&self, message: &Message<'_>, patience: Duration) -> Result<(), DeliverError> {
        let text = render(&message.text());
        let failed = |reason: String| DeliverError::NoAnswer(format!("standard output: {reason}"));
        let unread = || failed(format!("not read for {patience:?}"));
        let idle = timeout(patience, Arc::clone(&self.idle).acquire_owned()).await.map_err(|_| unread())?;
        let printed = spawn_blocking(move || {
            let _idle = idle;
            let mut stdout = io::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        });
        match timeout(patience, printed).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(failed(error.to_string())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(unread()),
        }
    }
}

fn render(text: &Text) -> String {
    let Text { headline, rest } = text;
    if rest.is_empty() { format!("{headline}\n") } else { format!("{headline}\n   {}\n", rest.join(" · ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::sample;

    #[test]
    fn an_alert_is_two_lines() {
        let alert = Alert::of(sample::signal());
        let now = alert.signal.close_time().after(Duration::from_mins(5));
        assert_eq!(
            render(&Text::of(&alert, now)),
            "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37\n   \
             stop 41 760.37 · target 42 362.87 · R/R 1.5 · ATR 120.50 · binance · candle closed 2026-11-21 21:00 UTC · LATE 5 m\n"
        );
        assert_eq!(render(&Text::made(&alert, "one")), "one\n");
    }
}
