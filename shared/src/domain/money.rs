//! Money: an exact number of minor units of one currency. No float, no silent rounding, no mixing.

mod allocation;

use std::fmt;

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};

/// The largest amount in minor units: T-Bank's `Amount` has at most ten digits.
pub const MINOR_MAX: i64 = 9_999_999_999;

/// An amount of money. On the wire `{"amount":"100.00","currency":"RUB"}`, the amount a string with at most as many
/// decimals as the currency has; in memory whole minor units (kopecks), |minor| ≤ [`MINOR_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why an amount is no money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// More digits after the point than the currency has, or not a number at all.
    #[error("the amount must be a decimal string with at most {0} decimals")]
    Precision(u16),
    /// Beyond ten digits of minor units.
    #[error("the amount is out of range")]
    OutOfRange,
    /// Two currencies in one sum.
    #[error("the currencies {0} and {1} cannot be mixed")]
    CurrencyMismatch(&'static str, &'static str),
    /// A share for nobody.
    #[error("there is nobody to share the amount out to")]
    NobodyToShare,
    /// Not an ISO 4217 code of a currency with minor units.
    #[error("the currency is not known")]
    UnknownCurrency,
}

impl Money {
    /// Whole minor units of `currency`.
    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor.unsigned_abs() > MINOR_MAX.unsigned_abs() {
            return Err(MoneyError::OutOfRange);
        }
        Ok(Self { minor, currency })
    }

    /// A decimal amount; refused, never rounded, if it has more decimals than the currency.
    pub fn from_decimal(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let exponent = currency.exponent().ok_or(MoneyError::UnknownCurrency)?;
        let scaled =
            amount.checked_mul(Decimal::from(10_i64.pow(u32::from(exponent)))).ok_or(MoneyError::OutOfRange)?;
        if !scaled.fract().is_zero() {
            return Err(MoneyError::Precision(exponent));
        }
        let minor = i64::try_from(scaled.trunc().mantissa() / 10_i128.pow(scaled.trunc().scale()))
            .map_err(|_| MoneyError::OutOfRange)?;
        Self::from_minor(minor, currency)
    }

    /// Parses the wire form. Only plain digits with an optional sign and point are taken (no exponent, no blanks).
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let currency = Currency::from_code(currency).ok_or(MoneyError::UnknownCurrency)?;
        let exponent = currency.exponent().ok_or(MoneyError::UnknownCurrency)?;
        let digits = amount.strip_prefix('-').unwrap_or(amount);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        // Zeros count: who writes more digits than the currency has means something else than we do.
        let fits = |part: &str| plain(part) && part.len() <= usize::from(exponent);
        if !plain(whole) || !fraction.is_none_or(fits) || amount.len() > 32 {
            return Err(MoneyError::Precision(exponent));
        }
        let decimal = amount.parse::<Decimal>().map_err(|_| MoneyError::OutOfRange)?;
        Self::from_decimal(decimal, currency)
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Roubles from kopecks, for constants and tests.
    ///
    /// # Panics
    /// If the amount has more than ten digits.
    pub fn rub(kopecks: i64) -> Self {
        Self::from_minor(kopecks, Currency::RUB).expect("a constant amount is in range")
    }

    /// Minor units (kopecks).
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal with the currency's scale.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, u32::from(self.currency.exponent().unwrap_or(0)))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// The sum; refused on mixed currencies and overflow.
    #[expect(clippy::should_implement_trait, reason = "an operator could not refuse")]
    pub fn add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// The difference; refused on mixed currencies and overflow. May be negative.
    #[expect(clippy::should_implement_trait, reason = "an operator could not refuse")]
    pub fn sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor.checked_sub(other.minor).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// `quantity` times the amount.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        Self::from_minor(self.minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// A share in basis points (1/10 000), rounded half to even: the only rounding there is.
    pub fn basis_points(self, bps: u32) -> Self {
        let share = Decimal::from(self.minor) * Decimal::from(bps) / Decimal::from(10_000);
        let rounded = share.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        let minor = i64::try_from(rounded.mantissa() / 10_i128.pow(rounded.scale())).unwrap_or(self.minor);
        Self { minor, currency: self.currency }
    }

    /// The smaller of two amounts of one currency.
    pub fn min(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if self.minor <= other.minor { self } else { other })
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency.code(), other.currency.code()))
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency.code())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Money", 2)?;
        object.serialize_field("amount", &format_args!("{}", self.to_decimal()))?;
        object.serialize_field("currency", self.currency.code())?;
        object.end()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMoney<'a> {
    #[serde(borrow)]
    amount: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    currency: std::borrow::Cow<'a, str>,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MoneyVisitor)
    }
}

/// Takes an object only: derived code would take an array of the two values as well.
struct MoneyVisitor;

impl<'de> de::Visitor<'de> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with amount and currency")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Money, A::Error> {
        let wire = WireMoney::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Money::parse(&wire.amount, &wire.currency).map_err(de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "An exact amount: a decimal string and an ISO 4217 code.",
            "properties": {
                "amount": {"type": "string", "pattern": r"^-?[0-9]{1,10}(\.[0-9]{1,4})?$"},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}
            },
            "required": ["amount", "currency"]
        })
    }
}

impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{ObjectBuilder, Type};
        let text = |pattern: &str| ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("An exact amount: a decimal string and an ISO 4217 code."))
            .property("amount", text(r"^-?[0-9]{1,10}(\.[0-9]{1,4})?$"))
            .required("amount")
            .property("currency", text("^[A-Z]{3}$"))
            .required("currency")
            .examples([serde_json::json!({"amount": "100.00", "currency": "RUB"})])
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Money {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_numbers_and_surplus_decimals_are_refused() {
        for wrong in [
            r#"["1.00","RUB"]"#,
            r#"{"amount":100.0,"currency":"RUB"}"#,
            r#"{"amount":"1.001","currency":"RUB"}"#,
            r#"{"amount":"100.000","currency":"RUB"}"#,
            r#"{"amount":"7.0","currency":"JPY"}"#,
            r#"{"amount":"7.","currency":"JPY"}"#,
            r#"{"amount":"1.2340","currency":"KWD"}"#,
            r#"{"amount":"+1","currency":"RUB"}"#,
            r#"{"amount":".5","currency":"RUB"}"#,
            r#"{"amount":"1_0","currency":"RUB"}"#,
            r#"{"amount":"1","currency":"rub"}"#,
            r#"{"amount":"1","currency":"XAU"}"#,
            r#"{"amount":"1e2","currency":"RUB"}"#,
            r#"{"amount":" 1","currency":"RUB"}"#,
            r#"{"amount":"","currency":"RUB"}"#,
            r#"{"amount":"1","currency":"ZZZ"}"#,
            r#"{"amount":"100000000.00","currency":"RUB"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_scale_is_the_currencys() {
        let text = |amount, currency| serde_json::to_string(&Money::parse(amount, currency).unwrap()).unwrap();
        assert_eq!(text("3.1", "RUB"), r#"{"amount":"3.10","currency":"RUB"}"#);
        assert_eq!(text("7", "JPY"), r#"{"amount":"7","currency":"JPY"}"#);
        assert_eq!(text("1.234", "KWD"), r#"{"amount":"1.234","currency":"KWD"}"#);
    }

    #[test]
    fn percentages_round_half_to_even() {
        assert_eq!(Money::rub(25).basis_points(1_000).minor(), 2);
        assert_eq!(Money::rub(35).basis_points(1_000).minor(), 4);
    }

    #[test]
    fn currencies_do_not_mix() {
        let yen = Money::parse("1", "JPY").unwrap();
        assert!(matches!(Money::rub(100).add(yen), Err(MoneyError::CurrencyMismatch("RUB", "JPY"))));
    }

    proptest! {
        #[test]
        fn the_wire_form_round_trips(minor in -MINOR_MAX..=MINOR_MAX) {
            let money = Money::rub(minor);
            let text = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), money);
        }

        #[test]
        fn exactly_the_amounts_with_no_more_digits_than_the_currency_are_taken(
            whole in 0u64..200_000_000, digits in "[0-9]{0,6}", negative: bool, which in 0usize..3,
        ) {
            let (currency, exponent) = [("RUB", 2), ("JPY", 0), ("KWD", 3)][which];
            let point = if digits.is_empty() { "" } else { "." };
            let sign = if negative { "-" } else { "" };
            let money = Money::parse(&format!("{sign}{whole}{point}{digits}"), currency);
            if digits.len() > exponent {
                prop_assert_eq!(money, Err(MoneyError::Precision(exponent as u16)));
                return Ok(());
            }
            let scaled = format!("{whole}{digits:0<exponent$}").parse::<i64>().unwrap();
            if scaled > MINOR_MAX {
                prop_assert_eq!(money, Err(MoneyError::OutOfRange));
            } else {
                prop_assert_eq!(money.unwrap().minor(), if negative { -scaled } else { scaled });
            }
        }

        #[test]
        fn a_json_number_is_never_money(amount in prop::num::f64::NORMAL) {
            let json = serde_json::json!({ "amount": amount, "currency": "RUB" });
            prop_assert!(serde_json::from_value::<Money>(json).is_err());
        }

        #[test]
        fn a_share_is_the_nearest_and_on_a_tie_the_even_one(minor in 0i64..=MINOR_MAX, bps in 0u32..=10_000) {
            let share = i128::from(Money::rub(minor).basis_points(bps).minor());
            let exact = i128::from(minor) * i128::from(bps);
            let off = (share * 10_000 - exact).abs();
            prop_assert!(off < 5_000 || (off == 5_000 && share % 2 == 0), "{share} of {exact}");
        }

        #[test]
        fn sums_beyond_the_range_are_refused(a in -MINOR_MAX..=MINOR_MAX, b in -MINOR_MAX..=MINOR_MAX, n: u32) {
            let (x, y) = (Money::rub(a), Money::rub(b));
            let fits = |minor: i128| minor.abs() <= i128::from(MINOR_MAX);
            prop_assert_eq!(x.add(y).is_ok(), fits(i128::from(a) + i128::from(b)));
            prop_assert_eq!(x.sub(y).is_ok(), fits(i128::from(a) - i128::from(b)));
            prop_assert_eq!(x.times(n).is_ok(), fits(i128::from(a) * i128::from(n)));
        }

        #[test]
        fn adding_and_taking_away_is_exact(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (a, b) = (Money::rub(a), Money::rub(b));
            prop_assert_eq!(a.add(b).unwrap().sub(b).unwrap(), a);
        }
    }
}
