//! Signals: one crossing of two averages on a closed candle.
//!
//! Owns the signal's id and its entry in `{prefix}:{p}:signals`. Neither finds crossings nor
//! delivers them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::candle::Origin;
use crate::series::Series;
use crate::stream::Fields;
use crate::time::{UnixMicros, UnixMillis};

/// Which way the fast average crossed the slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Fast rose above slow.
    Buy,
    /// Fast fell below slow.
    Sell,
}

impl Direction {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "buy" => Ok(Self::Buy),
            "sell" => Ok(Self::Sell),
            _ => Err(SignalError::Unreadable { field: "direction", text: text.to_owned() }),
        }
    }
}

/// `sig_` and 32 hex digits: the same crossing always has the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalId(String);

impl SignalId {
    /// Derives the id from what identifies a crossing.
    pub fn derive(strategy: &str, series: &Series, open_time: UnixMillis, direction: Direction) -> Self {
        use fmt::Write as _;
        let digest = Sha256::digest(format!("{strategy}|{series}|{open_time}|{direction}"));
        let mut text = String::with_capacity(36);
        text.push_str("sig_");
        for byte in &digest[..16] {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SignalId {
    type Err = SignalError;

    /// Accepts any short printable id: a foreign producer's may be shaped otherwise.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if (1..=128).contains(&text.len()) && printable {
            Ok(Self(text.to_owned()))
        } else {
            Err(SignalError::Unreadable { field: "id", text: text.chars().take(40).collect() })
        }
    }
}

/// One crossing, as it stands in the signals stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The crossing's id.
    pub id: SignalId,
    /// The strategy that found it.
    pub strategy: String,
    /// The series it was found on.
    pub series: Series,
    /// Buy or sell.
    pub direction: Direction,
    /// Open time of the candle that crossed.
    pub open_time: UnixMillis,
    /// The candle's close, in its own spelling.
    pub price: String,
    /// The fast average.
    pub fast: f64,
    /// The slow average.
    pub slow: f64,
    /// The average true range, where the strategy asks for it.
    pub atr: Option<f64>,
    /// Where to give up, where the strategy asks for it.
    pub stop_loss: Option<f64>,
    /// Where to take the profit, where the strategy asks for it.
    pub take_profit: Option<f64>,
    /// Distance of the target over that of the stop, where both are asked for.
    pub risk_reward: Option<f64>,
    /// How the candle came to be known.
    pub origin: Origin,
    /// When the candle was sent.
    pub candle_us: UnixMicros,
    /// When the signal was found.
    pub emitted_us: UnixMicros,
}

/// Why an entry of the signals stream can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// A field is missing or no text.
    #[error("signal field {0} is missing")]
    Missing(&'static str),
    /// A field holds something else.
    #[error("signal field {field} {text:?} is unreadable")]
    Unreadable {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        text: String,
    },
}

impl Signal {
    /// When the candle that crossed closed.
    pub fn close_time(&self) -> UnixMillis {
        self.series.timeframe().close_time(self.open_time)
    }

    /// The fields of the signal's entry. Floats are the shortest text that reads back the same.
    pub fn encode(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("id", self.id.to_string()),
            ("strategy", self.strategy.clone()),
            ("series", self.series.to_string()),
            ("direction", self.direction.to_string()),
            ("open_time", self.open_time.to_string()),
            ("close_time", self.close_time().to_string()),
            ("price", self.price.clone()),
            ("fast", self.fast.to_string()),
            ("slow", self.slow.to_string()),
        ];
        let optional = [
            ("atr", self.atr),
            ("stop_loss", self.stop_loss),
            ("take_profit", self.take_profit),
            ("risk_reward", self.risk_reward),
        ];
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))));
        fields.extend([
            ("origin", self.origin.to_string()),
            ("candle_us", self.candle_us.to_string()),
            ("emitted_us", self.emitted_us.to_string()),
        ]);
        fields
    }

    /// Reads a signal's entry. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// [`SignalError`], naming the field.
    pub fn decode(fields: &Fields) -> Result<Self, SignalError> {
        let text = |name| fields.text(name).ok_or(SignalError::Missing(name));
        Ok(Self {
            id: text("id")?.parse()?,
            strategy: text("strategy")?.to_owned(),
            series: parse("series", text("series")?)?,
            direction: text("direction")?.parse()?,
            open_time: UnixMillis(parse("open_time", text("open_time")?)?),
            price: text("price")?.to_owned(),
            fast: finite("fast", text("fast")?)?,
            slow: finite("slow", text("slow")?)?,
            atr: fields.text("atr").map(|text| finite("atr", text)).transpose()?,
            stop_loss: fields.text("stop_loss").map(|text| finite("stop_loss", text)).transpose()?,
            take_profit: fields.text("take_profit").map(|text| finite("take_profit", text)).transpose()?,
            risk_reward: fields.text("risk_reward").map(|text| finite("risk_reward", text)).transpose()?,
            origin: parse("origin", text("origin")?)?,
            candle_us: UnixMicros(parse("candle_us", text("candle_us")?)?),
            emitted_us: UnixMicros(parse("emitted_us", text("emitted_us")?)?),
        })
    }
}

fn parse<T: FromStr>(field: &'static str, text: &str) -> Result<T, SignalError> {
    text.parse().map_err(|_| SignalError::Unreadable { field, text: text.chars().take(40).collect() })
}

fn finite(field: &'static str, text: &str) -> Result<f64, SignalError> {
    parse(field, text).and_then(|value: f64| {
        let unreadable = SignalError::Unreadable { field, text: text.to_owned() };
        if value.is_finite() { Ok(value) } else { Err(unreadable) }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn signal() -> Option<Signal> {
        let series: Series = "binance:BTCUSDT:1h".parse().ok()?;
        let open_time = UnixMillis(1_763_755_200_000);
        Some(Signal {
            id: SignalId::derive("golden-cross", &series, open_time, Direction::Buy),
            strategy: "golden-cross".to_owned(),
            series,
            direction: Direction::Buy,
            open_time,
            price: "42001.370".to_owned(),
            fast: 41890.2,
            slow: 1e-7,
            atr: Some(120.5),
            stop_loss: Some(0.1 + 0.2),
            take_profit: None,
            risk_reward: None,
            origin: Origin::Replay,
            candle_us: UnixMicros(1),
            emitted_us: UnixMicros(2),
        })
    }

    #[test]
    fn id_is_the_hash_the_contract_names() {
        // printf 'golden-cross|binance:BTCUSDT:1h|1763755200000|buy' | sha256sum
        assert_eq!(signal().map(|s| s.id.0), Some("sig_1a7934e252848063153f4a95ff79b6fa".to_owned()));
    }

    #[test]
    fn an_entry_reads_back_bit_for_bit() {
        let Some(signal) = signal() else { return };
        let encoded = signal.encode();
        assert!(!encoded.iter().any(|(name, _)| *name == "take_profit"));
        let fields = Fields(encoded.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect());
        assert_eq!(fields.text("close_time"), Some("1763758800000"));
        assert_eq!(fields.text("slow"), Some("0.0000001"));
        assert_eq!(Signal::decode(&fields), Ok(signal));
    }

    #[test]
    fn a_broken_entry_names_its_field() {
        let Some(signal) = signal() else { return };
        for broken in ["id", "series", "direction", "fast", "atr", "candle_us"] {
            let encoded = signal.encode().into_iter().map(|(name, value)| {
                let value = if name == broken { " NaN".to_owned() } else { value };
                (name.into(), value.into_bytes())
            });
            let decoded = Signal::decode(&Fields(encoded.collect()));
            assert!(decoded.is_err_and(|error| error.to_string().contains(broken)), "{broken}");
        }
    }
}
