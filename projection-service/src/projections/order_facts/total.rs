//! Sums over many orders, which one amount of money cannot hold.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use shared::domain::Currency;

/// A sum of money, exact, written like [`Money`](shared::domain::Money) but without the limit of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// Whole minor units (kopecks).
    pub minor: i64,
    /// Of this currency.
    pub currency: Currency,
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scale = self.currency.exponent().unwrap_or(0);
        let mut object = serializer.serialize_struct("Total", 2)?;
        object.serialize_field("amount", &format_args!("{}", Decimal::new(self.minor, u32::from(scale))))?;
        object.serialize_field("currency", self.currency.code())?;
        object.end()
    }
}

impl utoipa::PartialSchema for Total {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{ObjectBuilder, Type};
        let text = |pattern: &str| ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("An exact sum: a decimal string and an ISO 4217 code."))
            .property("amount", text(r"^-?[0-9]{1,19}(\.[0-9]{1,4})?$"))
            .required("amount")
            .property("currency", text("^[A-Z]{3}$"))
            .required("currency")
            .examples([serde_json::json!({"amount": "1250000.00", "currency": "RUB"})])
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Total {}

/// A quotient rounded half to even; nothing divided by nothing is 0.
pub(super) fn divide(sum: i128, count: i128) -> i128 {
    if count == 0 {
        return 0;
    }
    let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    match (rest * 2).cmp(&count) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
        std::cmp::Ordering::Greater => quotient + 1,
    }
}

/// The mean as a number with two decimals, for people to look at; 0 of none.
pub(super) fn mean(sum: i64, count: i64) -> f64 {
    divide(i128::from(sum) * 100, i128::from(count)) as f64 / 100.0
}
