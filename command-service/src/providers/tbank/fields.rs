//! The members at the root of what the bank sent, exactly as they came.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Members by name, in byte order; a name that comes twice makes the whole unreadable.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads one JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// Every scalar as the text that a Token is made of: strings without quotes, numbers and booleans by their lexeme.
    pub fn scalars(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.iter().filter_map(|(name, raw)| Some((name.as_str(), scalar(raw)?)))
    }

    /// A scalar, whether the bank chose to write it as text or as a number.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        scalar(self.0.get(name)?).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Yes or no, in either spelling; a missing answer is no.
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The objects of an array.
    pub fn list(&self, name: &str) -> Option<Vec<Self>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// Names and raw values, in byte order.
    pub fn raw(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), raw.get()))
    }
}

/// The text of a scalar; nothing for objects, arrays and null.
fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    let lexeme = raw.get().trim();
    match lexeme.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(lexeme).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(lexeme)),
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneOfEach)
    }
}

struct OneOfEach;

impl<'de> Visitor<'de> for OneOfEach {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without a name that comes twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            // Whoever signs the first and we who read the last would speak of different things.
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(Fields(fields))
    }
}
