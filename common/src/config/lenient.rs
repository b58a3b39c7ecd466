//! Values that the environment can only write as text: numbers, switches and lists.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A number or a switch, written as such or as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scalar<T>(pub(super) T);

/// A text or a list of texts; a text with commas is a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub(super) Vec<String>);

/// A text or a list of texts, as they are: a comma is part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formulas(pub(super) Vec<String>);

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: FromStr + FromScalar> Visitor<'_> for ScalarVisitor<T> {
    type Value = Scalar<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        let refused = || E::invalid_type(serde::de::Unexpected::Bool(value), &self);
        T::from_bool(value).map(Scalar).ok_or_else(refused)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        value.to_string().parse().map(Scalar).map_err(|_| E::custom(format_args!("not {}", T::NAME)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        value.to_string().parse().map(Scalar).map_err(|_| E::custom(format_args!("not {}", T::NAME)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        let switch = match value.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => T::from_bool(true),
            "0" | "false" | "no" | "off" => T::from_bool(false),
            _ => None,
        };
        let parsed = switch.or_else(|| value.trim().parse().ok());
        parsed.map(Scalar).ok_or_else(|| E::custom(format_args!("not {}", T::NAME)))
    }
}

/// What a [`Scalar`] can hold.
pub(super) trait FromScalar: Sized {
    /// The type in the words of a message.
    const NAME: &'static str;

    /// The value of a switch, where the type is one.
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
}

impl FromScalar for bool {
    const NAME: &'static str = "true or false";

    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl FromScalar for u32 {
    const NAME: &'static str = "a whole number of at least 0";
}

impl FromScalar for f64 {
    const NAME: &'static str = "a number";
}

impl<'de, T: FromStr + FromScalar> Deserialize<'de> for Scalar<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        // A comma inside of brackets separates arguments, not texts: "bbands(20, 2)".
        let mut depth = 0_usize;
        let parts = value.split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        Ok(Texts(parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct FormulasVisitor;

impl<'de> Visitor<'de> for FormulasVisitor {
    type Value = Formulas;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TextsVisitor.expecting(f)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Formulas(vec![value.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        TextsVisitor.visit_seq(items).map(|texts| Formulas(texts.0))
    }
}

impl<'de> Deserialize<'de> for Formulas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormulasVisitor)
    }
}
