//! Which strategies are tested: those of the configuration that cover the series, or the one that is named.

use candlewire_common::config::Config;
use candlewire_common::exit::Fault;
use candlewire_common::series::Series;
use candlewire_common::strategy::Strategy;

/// Leaves nothing but what is to be tested in the configuration. A strategy finds the same alone and beside
/// others, so nothing else has to be computed.
///
/// # Errors
///
/// [`Fault::Usage`] where that would be nothing.
pub(super) fn narrow(config: &mut Config, series: &Series, name: Option<&str>) -> Result<(), Fault> {
    let known = known(&config.strategies);
    if let Some(name) = name
        && !config.strategies.iter().any(|strategy| strategy.name == name)
    {
        return Err(Fault::Usage(format!("no strategy is named {name:?}; {known}")));
    }
    config.strategies.retain(|strategy| name.is_none_or(|name| strategy.name == name) && strategy.covers(series));
    config.indicators.clear();
    match (config.strategies.is_empty(), name) {
        (false, _) => Ok(()),
        (true, Some(name)) => Err(Fault::Usage(format!("strategy {name:?} does not cover {series}; {known}"))),
        (true, None) => Err(Fault::Usage(format!("no strategy covers {series}; {known}"))),
    }
}

fn known(strategies: &[Strategy]) -> String {
    if strategies.is_empty() {
        return "the configuration has none: it needs a [[strategies]] table".to_owned();
    }
    let entry = |strategy: &Strategy| {
        let patterns: Vec<String> = strategy.series.iter().map(ToString::to_string).collect();
        format!("{} ({})", strategy.name, patterns.join(" "))
    };
    format!("known: {}", strategies.iter().map(entry).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "[[strategies]]\nname = \"a\"\nseries = [\"*:*:*\"]\nfast = \"sma(2)\"\nslow = \"sma(3)\"\n\
        [[strategies]]\nname = \"b\"\nseries = [\"csv:*:1h\", \"csv:*:1d\"]\nfast = \"sma(2)\"\nslow = \"sma(3)\"\n";

    fn narrowed(text: &str, series: &str, name: Option<&str>) -> Result<Vec<String>, String> {
        let mut config = Config::from_text(text, None, &[]).unwrap();
        narrow(&mut config, &series.parse().unwrap(), name).map_err(|fault| fault.to_string())?;
        Ok(config.strategies.into_iter().map(|strategy| strategy.name).collect())
    }

    #[test]
    fn what_covers_the_series_is_tested_and_what_was_meant_is_said() {
        let names = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(narrowed(TWO, "csv:X:1h", None), names(&["a", "b"]));
        assert_eq!(narrowed(TWO, "csv:X:1m", None), names(&["a"]));
        assert_eq!(narrowed(TWO, "csv:X:1h", Some("b")), names(&["b"]));
        let refused = |text, series, name, expected: &str| {
            assert_eq!(narrowed(text, series, name), Err(expected.to_owned()));
        };
        let known = "known: a (*:*:*), b (csv:*:1h csv:*:1d)";
        refused(TWO, "csv:X:1h", Some("c"), &format!("no strategy is named \"c\"; {known}"));
        refused(TWO, "csv:X:1m", Some("b"), &format!("strategy \"b\" does not cover csv:X:1m; {known}"));
        let second = &TWO[TWO.rfind("[[").unwrap()..];
        refused(second, "csv:X:1m", None, "no strategy covers csv:X:1m; known: b (csv:*:1h csv:*:1d)");
        refused(
            "",
            "csv:X:1m",
            None,
            "no strategy covers csv:X:1m; the configuration has none: it needs a [[strategies]] table",
        );
    }
}
