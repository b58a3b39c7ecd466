//! What is to be computed on a series: the configuration, resolved once for each series.

use std::collections::HashMap;
use std::sync::Arc;

use candlewire_common::config::{Config, IndicatorTable};
use candlewire_common::indicator::IndicatorSpec;
use candlewire_common::series::Series;
use candlewire_common::strategy::{Risk, Strategy};

/// The configured strategies and indicators, and the plans made of them so far.
#[derive(Debug)]
pub struct Plans {
    strategies: Arc<[Strategy]>,
    indicators: Arc<[IndicatorTable]>,
    made: HashMap<(Vec<usize>, Vec<usize>), Arc<SeriesPlan>>,
}

/// What is to be computed on a series. Series with the same needs share one plan.
#[derive(Debug, Default, PartialEq)]
pub struct SeriesPlan {
    /// Every indicator, each once.
    pub indicators: Vec<IndicatorSpec>,
    /// The strategies, their indicators as places in `indicators`.
    pub strategies: Vec<StrategyPlan>,
    /// How many past closes the indicators read: at least one.
    pub window: usize,
}

/// One strategy on a series.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyPlan {
    /// The strategy's name.
    pub name: String,
    /// The place of the fast average.
    pub fast: usize,
    /// The place of the slow average.
    pub slow: usize,
    /// The place of the average true range, and the rules on it.
    pub risk: Option<(usize, Risk)>,
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
        let strategies = self.strategies.iter().enumerate().filter(|(_, strategy)| strategy.covers(series));
        let tables = self.indicators.iter().enumerate().filter(|(_, table)| table.covers(series));
        let key: (Vec<usize>, Vec<usize>) =
            (strategies.map(|(at, _)| at).collect(), tables.map(|(at, _)| at).collect());
        let (strategies, tables) = (&self.strategies, &self.indicators);
        let make = |key: &(Vec<usize>, Vec<usize>)| {
            Arc::new(SeriesPlan::new(key.0.iter().map(|&at| &strategies[at]), key.1.iter().map(|&at| &tables[at])))
        };
        match self.made.get(&key) {
            Some(plan) => plan.clone(),
            None => self.made.entry(key).or_insert_with_key(make).clone(),
        }
    }
}

impl SeriesPlan {
    /// Gathers the indicators of strategies and tables, each once.
    pub fn new<'a>(
        strategies: impl IntoIterator<Item = &'a Strategy>,
        tables: impl IntoIterator<Item = &'a IndicatorTable>,
    ) -> Self {
        let mut plan = Self { window: 1, ..Self::default() };
        for strategy in strategies {
            let (fast, slow) = (plan.place(strategy.fast), plan.place(strategy.slow));
            let risk = strategy.risk.as_ref().map(|risk| (plan.place(risk.atr), risk.clone()));
            plan.strategies.push(StrategyPlan { name: strategy.name.clone(), fast, slow, risk });
        }
        for spec in tables.into_iter().flat_map(|table| &table.compute) {
            plan.place(*spec);
        }
        plan
    }

    fn place(&mut self, spec: IndicatorSpec) -> usize {
        self.window = self.window.max(spec.window());
        self.indicators.iter().position(|other| *other == spec).unwrap_or_else(|| {
            self.indicators.push(spec);
            self.indicators.len() - 1
        })
    }
}
