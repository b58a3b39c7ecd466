//! Whether the strategies can ever fire: whether what they name, and what their conditions look at, is published.
//!
//! Judges the configuration alone. Programs that publish on their own are unknown here, so nothing of it is a fault.

use super::finding::Finding;
use crate::config::Config;
use crate::phrase::{counted, some_of};
use crate::series::Series;
use crate::strategy::Strategy;

/// Looks at each strategy beside the sources. Without sources there is nothing to compare with.
pub fn look(config: &Config) -> Vec<Finding> {
    let published = published(config);
    if published.is_empty() {
        return Vec::new();
    }
    config.strategies.iter().map(|strategy| judge(strategy, &published, "no source publishes")).collect()
}

/// Judges a strategy by the series that there are; `absent` says what one lacks that is not among them.
pub fn judge(strategy: &Strategy, there: &[Series], absent: &str) -> Finding {
    let subject = format!("strategy {}", strategy.name);
    let covered: Vec<&Series> = there.iter().filter(|series| strategy.covers(series)).collect();
    if covered.is_empty() {
        let names: Vec<String> = strategy.series.iter().map(ToString::to_string).collect();
        let detail =
            format!("{absent} any series that it names ({}): it has no signals until there are", some_of(&names));
        return Finding::warning(subject, detail);
    }
    let looked_at = covered.iter().flat_map(|series| {
        strategy.timeframes().map(|timeframe| series.with_timeframe(timeframe)).filter(|higher| !there.contains(higher))
    });
    let mut missing: Vec<String> = looked_at.map(|series| series.to_string()).collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return Finding::ok(subject, format!("{} series", covered.len()));
    }
    let detail = format!(
        "its conditions look at {}, which {absent}: without {} they never hold; add the timeframe to timeframes or derive",
        some_of(&missing),
        if missing.len() == 1 { "it" } else { "them" },
    );
    Finding::warning(subject, detail)
}

/// What the configuration comes to, in a few words.
pub fn summary(config: &Config) -> Finding {
    let strategies = counted_strategies(config.strategies.len() as u64);
    let sources = counted(config.sources.len() as u64, "source");
    let recipients = counted(config.recipients.len() as u64, "recipient");
    let history = counted(config.cache.history as u64, "candle");
    Finding::ok(
        "configuration",
        format!("{strategies}, {sources}, {recipients}, a history of {history} for each series"),
    )
}

fn counted_strategies(count: u64) -> String {
    if count == 1 { "1 strategy".to_owned() } else { format!("{count} strategies") }
}

/// The series that the sources publish.
fn published(config: &Config) -> Vec<Series> {
    let mut published = Vec::new();
    for source in &config.sources {
        for symbol in &source.symbols {
            let timeframes = source.timeframes.iter().chain(&source.derive);
            published.extend(timeframes.map(|timeframe| Series::new(&source.venue, symbol, *timeframe)));
        }
    }
    published
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const SOURCE: &str = "[[sources]]\nvenue = \"binance\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\ntimeframes = [\"1h\"]\nderive = [\"4h\"]\n";

    fn found(series: &str, when: &str) -> Finding {
        let text = format!(
            "{SOURCE}[[strategies]]\nname = \"s\"\nseries = [\"{series}\"]\nfast = \"close\"\nslow = \"sma(9)\"\nwhen = \"{when}\""
        );
        look(&Config::from_text(&text, None, &[]).unwrap()).remove(0)
    }

    #[test]
    fn a_strategy_needs_series_that_are_published() {
        assert_eq!(found("*:*:1h", "close > 1"), Finding::ok("strategy s", "2 series"));
        assert_eq!(found("*:*:*", "sma(3)@4h > 1"), Finding::ok("strategy s", "4 series"));
        let none = found("csv:*:1h", "close > 1");
        assert_eq!(none.verdict, Verdict::Warning);
        assert!(none.detail.contains("no source publishes any series that it names (csv:*:1h)"), "{}", none.detail);
    }

    #[test]
    fn conditions_need_the_higher_series() {
        let found = found("*:*:1h", "sma(3)@1d > 1");
        assert_eq!(found.verdict, Verdict::Warning);
        let names = "its conditions look at binance:BTCUSDT:1d, binance:ETHUSDT:1d, which no source publishes";
        assert!(found.detail.starts_with(names), "{}", found.detail);
    }

    #[test]
    fn without_sources_nothing_is_known() {
        assert_eq!(look(&Config::from_text("", None, &[]).unwrap()), []);
    }
}
