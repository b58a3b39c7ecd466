//! What is to be computed on a series: the configuration, resolved once for each series.

use std::collections::HashMap;
use std::sync::Arc;

use candlewire_common::condition::{Comparison, Term};
use candlewire_common::config::{Config, IndicatorTable};
use candlewire_common::decimal::Decimal;
use candlewire_common::indicator::{IndicatorSpec, Line, Needs, Output, Source};
use candlewire_common::series::Series;
use candlewire_common::strategy::{Named, Risk, Strategy};
use candlewire_common::timeframe::Timeframe;

/// The configured strategies and indicators, and the plans made of them so far.
#[derive(Debug)]
pub struct Plans {
    strategies: Arc<[Strategy]>,
    indicators: Arc<[IndicatorTable]>,
    made: HashMap<Wanted, Arc<SeriesPlan>>,
}

/// What decides on a plan, by places in the configuration: series that want the same share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    timeframe: Timeframe,
    /// The strategies that run on the series.
    strategies: Vec<usize>,
    /// The strategies that look at it from a lower timeframe.
    onlookers: Vec<usize>,
    tables: Vec<usize>,
}

/// What is to be computed on a series.
#[derive(Debug, Default, PartialEq)]
pub struct SeriesPlan {
    /// Every indicator, each once.
    pub indicators: Vec<IndicatorSpec>,
    /// What the state hash shows.
    pub fields: Vec<ShownField>,
    /// The strategies, what they need as places in `indicators`.
    pub strategies: Vec<StrategyPlan>,
    /// Lines that are remembered for a while, for the lower timeframes that look at them.
    pub exports: Vec<(Line, Value)>,
    /// The other timeframes of the instrument that conditions look at.
    pub elsewhere: Vec<Timeframe>,
    /// What the indicators read of past candles.
    pub needs: Needs,
}

/// A field of the state hash.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownField {
    /// Its name, as the indicator was written.
    pub name: String,
    /// The place of the indicator.
    pub place: usize,
    /// Which of its values.
    pub output: Output,
}

/// A line or number of a strategy, resolved on a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A fixed number.
    Number(Decimal),
    /// A price of the last candle.
    Price(Source),
    /// A value of the indicator at a place.
    Indicator(usize, Output),
    /// A line of another timeframe.
    Elsewhere(Line, Timeframe),
}

/// One strategy on a series.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyPlan {
    /// The strategy's name.
    pub name: String,
    /// The line that crosses.
    pub fast: Value,
    /// The line that is crossed.
    pub slow: Value,
    /// The place of the average true range, and the rules on it.
    pub risk: Option<(usize, Risk)>,
    /// What else must hold.
    pub when: Vec<ConditionPlan>,
}

/// One condition on a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConditionPlan {
    /// The first side.
    pub left: Value,
    /// How it must stand to the second.
    pub comparison: Comparison,
    /// The second side.
    pub right: Value,
}

impl Plans {
    /// Takes strategies and indicators from the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            strategies: config.strategies.clone().into(),
            indicators: config.indicators.clone().into(),
            made: HashMap::new(),
        }
    }

    /// The plan for a series.
    pub fn plan(&mut self, series: &Series) -> Arc<SeriesPlan> {
        let wanted = self.wanted(series);
        if let Some(plan) = self.made.get(&wanted) {
            return plan.clone();
        }
        let strategies = |places: &[usize]| places.iter().map(|&at| &self.strategies[at]).collect::<Vec<_>>();
        let mut plan = SeriesPlan::default();
        plan.add_strategies(&strategies(&wanted.strategies), wanted.timeframe);
        plan.add_exports(&strategies(&wanted.onlookers), wanted.timeframe);
        for &at in &wanted.tables {
            plan.show(&self.indicators[at].compute);
        }
        plan.show_unnamed();
        let plan = Arc::new(plan);
        self.made.insert(wanted, plan.clone());
        plan
    }

    fn wanted(&self, series: &Series) -> Wanted {
        let timeframe = series.timeframe();
        let looks_from_below = |strategy: &Strategy| {
            let below = || Timeframe::ALL.into_iter().filter(|below| *below < timeframe);
            strategy.timeframes().any(|looked_at| looked_at == timeframe)
                && below().any(|below| strategy.covers(&series.with_timeframe(below)))
        };
        let places = |is_wanted: &dyn Fn(&Strategy) -> bool| {
            let wanted = self.strategies.iter().enumerate().filter(|(_, strategy)| is_wanted(strategy));
            wanted.map(|(at, _)| at).collect()
        };
        let tables = self.indicators.iter().enumerate().filter(|(_, table)| table.covers(series));
        Wanted {
            timeframe,
            strategies: places(&|strategy| strategy.covers(series)),
            onlookers: places(&looks_from_below),
            tables: tables.map(|(at, _)| at).collect(),
        }
    }
}

impl SeriesPlan {
    /// How many candles of the history's end a state is restored beside: at least one.
    pub fn window(&self) -> usize {
        self.needs.candles().max(1)
    }

    fn add_strategies(&mut self, strategies: &[&Strategy], timeframe: Timeframe) {
        for strategy in strategies {
            self.show(&strategy.shown);
            let (fast, slow) = (self.line(strategy.fast), self.line(strategy.slow));
            let risk = strategy.risk.as_ref().map(|risk| (self.place(risk.atr), risk.clone()));
            let when = strategy.when.iter().map(|condition| {
                let [left, right] = condition.terms().map(|term| self.term(term, timeframe));
                ConditionPlan { left, comparison: condition.comparison(), right }
            });
            let when = when.collect();
            self.strategies.push(StrategyPlan { name: strategy.name.clone(), fast, slow, risk, when });
        }
    }

    /// Adds the lines that strategies of lower timeframes look at here.
    fn add_exports(&mut self, onlookers: &[&Strategy], timeframe: Timeframe) {
        for term in onlookers.iter().flat_map(|strategy| strategy.terms()) {
            if let Term::Elsewhere(line, at) = term
                && at == timeframe
                && !self.exports.iter().any(|(known, _)| *known == line)
            {
                let value = self.line(line);
                self.exports.push((line, value));
            }
        }
    }

    fn term(&mut self, term: Term, own: Timeframe) -> Value {
        match term {
            Term::Number(number) => Value::Number(number),
            Term::Line(line) => self.line(line),
            // Of the series' own timeframe, it is what it says without.
            Term::Elsewhere(line, timeframe) if timeframe == own => self.line(line),
            Term::Elsewhere(line, timeframe) => {
                if !self.elsewhere.contains(&timeframe) {
                    self.elsewhere.push(timeframe);
                }
                Value::Elsewhere(line, timeframe)
            }
        }
    }

    fn line(&mut self, line: Line) -> Value {
        match line {
            Line::Price(source) => {
                // The last candle's price is read from the window, where it is newest.
                self.needs = self.needs.source(source, 1);
                Value::Price(source)
            }
            Line::Indicator(spec, output) => Value::Indicator(self.place(spec), output),
        }
    }

    fn place(&mut self, spec: IndicatorSpec) -> usize {
        self.indicators.iter().position(|other| *other == spec).unwrap_or_else(|| {
            self.needs = self.needs.and(spec.needs());
            self.indicators.push(spec);
            self.indicators.len() - 1
        })
    }

    /// Shows all values of these indicators, by the names they were written by.
    fn show(&mut self, shown: &[Named]) {
        for Named { name, spec } in shown {
            let place = self.place(*spec);
            self.show_as(name, place);
        }
    }

    /// Shows what is only mentioned in conditions, by its one spelling.
    fn show_unnamed(&mut self) {
        for place in 0..self.indicators.len() {
            if !self.fields.iter().any(|field| field.place == place) {
                self.show_as(&self.indicators[place].to_string(), place);
            }
        }
    }

    fn show_as(&mut self, name: &str, place: usize) {
        for (output, ending) in self.indicators[place].outputs() {
            let name = ending.map_or_else(|| name.to_owned(), |ending| format!("{name}.{ending}"));
            if !self.fields.iter().any(|field| field.name == name) {
                self.fields.push(ShownField { name, place, output });
            }
        }
    }
}
