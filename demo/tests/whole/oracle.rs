//! Crossings counted another way than the indicator-worker's.
//!
//! Owns a naive count over whole files: window averages as exact fractions, exponential ones as
//! TA-Lib defines them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Two averages of the same kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pair {
    /// Window averages over this many closes.
    Sma(usize, usize),
    /// Exponential averages.
    Ema(usize, usize),
}

/// Counts the crossings in a candle file.
pub(crate) fn crossings(file: &Path, pair: Pair) -> Result<usize> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let closes: Vec<&str> = text.lines().skip(1).filter_map(|row| row.split(',').nth(4)).collect();
    let above: Vec<std::cmp::Ordering> = match pair {
        Pair::Sma(fast, slow) => {
            let ticks = closes.iter().map(|close| ticks(close)).collect::<Result<Vec<i128>>>()?;
            let mean = |end: usize, n: usize| ticks[end - n..end].iter().sum::<i128>();
            let compare = |end| (mean(end, fast) * slow as i128).cmp(&(mean(end, slow) * fast as i128));
            (slow..=ticks.len()).map(compare).collect()
        }
        Pair::Ema(fast, slow) => {
            let closes = closes.iter().map(|close| close.parse()).collect::<Result<Vec<f64>, _>>()?;
            let (fast, slow) = (ema(&closes, fast), ema(&closes, slow));
            let fast = &fast[fast.len() - slow.len()..];
            fast.iter().zip(&slow).map(|(fast, slow)| fast.total_cmp(slow)).collect()
        }
    };
    Ok(above.windows(2).filter(|pair| pair[1].is_ne() && pair[0] != pair[1]).count())
}

/// Reads a decimal with up to 8 fraction digits as hundred millionths.
fn ticks(text: &str) -> Result<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<8}").parse().with_context(|| format!("close {text:?}"))
}

/// Returns the averages from the first that has a value.
fn ema(closes: &[f64], period: usize) -> Vec<f64> {
    let (seed, rest) = closes.split_at(period);
    let weight = 2.0 / (period as f64 + 1.0);
    let mut averages = vec![seed.iter().sum::<f64>() / period as f64];
    for close in rest {
        let last = averages[averages.len() - 1];
        averages.push(last + weight * (close - last));
    }
    averages
}
