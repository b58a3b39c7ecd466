//! `[[strategies]]` and `[[indicators]]`: what to compute, what to cross, and when.

use serde::Deserialize;

use super::error::{Key, Problem};
use super::lenient::{Formulas, Scalar, Texts};
use crate::condition::{Condition, Term};
use crate::indicator::{IndicatorSpec, Line, Unit};
use crate::pattern::SeriesPattern;
use crate::series::Series;
use crate::strategy::{Multiple, Named, Risk, Strategy};

const NAME_MAX: usize = 64;

/// Indicators to show on some series though no strategy uses them.
#[derive(Clone, Debug)]
pub struct IndicatorTable {
    /// The series meant.
    pub series: Vec<SeriesPattern>,
    /// The indicators to compute there.
    pub compute: Vec<Named>,
}

impl IndicatorTable {
    /// Whether the table means `series`.
    pub fn covers(&self, series: &Series) -> bool {
        self.series.iter().any(|pattern| pattern.matches(series))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawStrategy {
    name: Option<String>,
    series: Texts,
    fast: Option<String>,
    slow: Option<String>,
    when: Option<Formulas>,
    atr: Option<String>,
    stop_atr: Option<Scalar<f64>>,
    target_atr: Option<Scalar<f64>>,
    min_atr: Option<Scalar<f64>>,
    min_risk_reward: Option<Scalar<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawIndicators {
    series: Texts,
    compute: Texts,
}

pub(super) fn check_all(strategies: Vec<RawStrategy>) -> Result<Vec<Strategy>, Problem> {
    let root = Key::root("strategies");
    let mut checked: Vec<Strategy> = Vec::with_capacity(strategies.len());
    for (index, raw) in strategies.into_iter().enumerate() {
        let key = root.item(index);
        let strategy = raw.check(&key)?;
        if checked.iter().any(|other| other.name == strategy.name) {
            return Err(key.child("name").problem("another strategy has this name"));
        }
        checked.push(strategy);
    }
    Ok(checked)
}

pub(super) fn check_tables(tables: Vec<RawIndicators>) -> Result<Vec<IndicatorTable>, Problem> {
    let root = Key::root("indicators");
    let checked = tables.into_iter().enumerate().map(|(index, raw)| {
        let key = root.item(index);
        let compute = raw.compute.0.iter().enumerate();
        let compute = compute.map(|(at, text)| {
            let spec = text.parse().map_err(|error| key.child("compute").item(at).problem(error))?;
            Ok(named(text, spec))
        });
        let compute: Vec<Named> = compute.filter_map(Result::transpose).collect::<Result<_, Problem>>()?;
        if compute.is_empty() {
            return Err(key.child("compute").problem("missing or empty"));
        }
        Ok(IndicatorTable { series: patterns(&key.child("series"), &raw.series)?, compute })
    });
    checked.collect()
}

impl RawStrategy {
    fn check(self, key: &Key) -> Result<Strategy, Problem> {
        let name = check_name(&key.child("name"), self.name.as_ref())?;
        let series = patterns(&key.child("series"), &self.series)?;
        let fast = check_line(&key.child("fast"), self.fast.as_ref(), None)?;
        let slow = check_line(&key.child("slow"), self.slow.as_ref(), Some(fast))?;
        let risk = self.check_risk(key)?;
        let when = self.check_when(key, &series)?;
        let written = [
            (self.fast, fast.indicator()),
            (self.slow, slow.indicator()),
            (self.atr, risk.as_ref().map(|risk| risk.atr)),
        ];
        let shown = written.into_iter().filter_map(|(text, spec)| named(&text?, spec?)).collect();
        Ok(Strategy { name, series, fast, slow, risk, when, shown })
    }

    fn check_when(&self, key: &Key, series: &[SeriesPattern]) -> Result<Vec<Condition>, Problem> {
        let mut all = Vec::new();
        let Some(Formulas(texts)) = &self.when else { return Ok(all) };
        if texts.is_empty() {
            return Err(key.child("when").problem("empty"));
        }
        for (at, text) in texts.iter().enumerate() {
            let key = key.child("when").item(at);
            let conditions = Condition::read_all(text).map_err(|error| key.problem(error))?;
            for timeframe in conditions.iter().flat_map(|condition| condition.terms()).filter_map(Term::timeframe) {
                if let Some(longer) = series.iter().filter_map(SeriesPattern::timeframe).find(|own| *own > timeframe) {
                    return Err(key.problem(format!(
                        "looks at {timeframe} from {longer}: it can look at a higher timeframe only"
                    )));
                }
            }
            all.extend(conditions);
        }
        Ok(all)
    }

    fn check_risk(&self, key: &Key) -> Result<Option<Risk>, Problem> {
        let rules = [
            ("stop_atr", self.stop_atr),
            ("target_atr", self.target_atr),
            ("min_atr", self.min_atr),
            ("min_risk_reward", self.min_risk_reward),
        ];
        let Some(atr) = indicator(&key.child("atr"), self.atr.as_ref())? else {
            return match rules.iter().find(|(_, rule)| rule.is_some()) {
                Some((name, _)) => Err(key.child(name).problem("needs atr in the same strategy")),
                None => Ok(None),
            };
        };
        if atr.unit() != Unit::Range {
            return Err(key.child("atr").problem("not an average true range: write it as atr(14), for example"));
        }
        let multiple = |name: &str, number: Option<Scalar<f64>>| {
            let checked = number.map(|number| {
                Multiple::new(number.0).ok_or_else(|| key.child(name).problem("not a number from 0.000001 to 1000000"))
            });
            checked.transpose()
        };
        let (stop, target) = (multiple("stop_atr", self.stop_atr)?, multiple("target_atr", self.target_atr)?);
        let min_atr = self.min_atr.map_or(0.0, |number| number.0);
        if !(min_atr.is_finite() && min_atr >= 0.0) {
            return Err(key.child("min_atr").problem("not a number of at least 0"));
        }
        // Zero asks for nothing.
        let least = self.min_risk_reward.filter(|number| number.0 != 0.0);
        let min_risk_reward = multiple("min_risk_reward", least)?;
        if min_risk_reward.is_some() && (stop.is_none() || target.is_none()) {
            return Err(key.child("min_risk_reward").problem("needs stop_atr and target_atr"));
        }
        Ok(Some(Risk { atr, stop, target, min_atr, min_risk_reward }))
    }
}

/// Reads one of the two lines. The second must be of the kind of the first, and another; where it is left out, it is
/// the signal of the first.
fn check_line(key: &Key, text: Option<&String>, fast: Option<Line>) -> Result<Line, Problem> {
    let signal = fast.and_then(|fast| fast.sibling("signal"));
    let line = match (text, signal) {
        (None, None) => return Err(key.problem("missing")),
        (None, Some(signal)) => signal,
        (Some(text), Some(signal)) if text.trim() == "signal" => signal,
        (Some(text), _) => text.parse().map_err(|error| key.problem(error))?,
    };
    if matches!(line.unit(), Unit::Percent | Unit::Range) {
        return Err(key.problem("not an average, which fast and slow must be"));
    }
    match fast {
        Some(fast) if fast == line => Err(key.problem("the same as fast: they would never cross")),
        Some(fast) if line.unit() == Unit::Momentum && (Some(line) != signal || !fast.is_main()) => Err(key
            .problem("a macd crosses its own signal, and nothing else: fast = \"macd(12, 26, 9)\", slow = \"signal\"")),
        Some(fast) if fast.unit() != line.unit() => {
            Err(key.problem(format!("of another kind than {fast}: a macd crosses its own signal, averages each other")))
        }
        _ => Ok(line),
    }
}

/// An indicator by the name it was written by: all up to its closing bracket. Without one it is another's value.
fn named(text: &str, spec: IndicatorSpec) -> Option<Named> {
    let name = text[..=text.rfind(')')?].trim();
    Some(Named { name: name.to_owned(), spec })
}

/// Checks the name of a strategy or recipient: it is shown, logged, hashed and used as a label.
pub(super) fn check_name(key: &Key, name: Option<&String>) -> Result<String, Problem> {
    let name = name.ok_or_else(|| key.problem("missing"))?;
    let plain = name.chars().all(|c| !c.is_control() && c != '|');
    let fits = (1..=NAME_MAX).contains(&name.len()) && name.trim() == name;
    if plain && fits {
        Ok(name.clone())
    } else {
        Err(key.problem("not a name of 1 to 64 bytes without | and line breaks"))
    }
}

/// Reads a list of series patterns that must not be empty.
pub(super) fn patterns(key: &Key, texts: &Texts) -> Result<Vec<SeriesPattern>, Problem> {
    if texts.0.is_empty() {
        return Err(key.problem("missing or empty"));
    }
    let read = texts.0.iter().enumerate().map(|(at, text)| text.parse().map_err(|error| key.item(at).problem(error)));
    read.collect()
}

fn indicator(key: &Key, text: Option<&String>) -> Result<Option<IndicatorSpec>, Problem> {
    text.map(|text| text.parse().map_err(|error| key.problem(error))).transpose()
}
