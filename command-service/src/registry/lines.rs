//! A registry as the bank sends it: CSV with a line per operation.

use std::collections::HashSet;

use serde::Deserialize;
use shared::domain::{Currency, Money, PaymentId};

/// What a registry has to say of each operation.
const COLUMNS: [&str; 4] = ["registry_ref", "operation", "order_id", "amount"];
/// Lines of one registry; a longer one is sent in parts.
pub const LINES_MAX: usize = 1_000;

/// What the bank says that it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Where it stands in the file, from 1 below the names.
    pub number: usize,
    /// Names the operation at the bank.
    pub registry_ref: String,
    /// What was done.
    pub operation: RegistryOperation,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// What we called it, if we asked for it.
    pub external_request_id: Option<String>,
}

/// An operation of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RegistryOperation {
    /// Money was taken.
    Payment,
    /// Money was given back.
    Refund,
    /// The customer's bank took money back.
    Chargeback,
}

impl RegistryOperation {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "PAYMENT",
            Self::Refund => "REFUND",
            Self::Chargeback => "CHARGEBACK",
        }
    }
}

/// Why a registry cannot be read; nothing of it was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There are no names of columns, or not all that are needed: an empty file is an outage of whoever sent it.
    #[error("the first line names no column {0}")]
    Column(&'static str),
    /// A line is not what it should be.
    #[error("line {number}: {reason}")]
    Line {
        /// Which, from 1 below the names; 0 for the names.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// Too many lines.
    #[error("a registry is sent in parts of at most {LINES_MAX} lines")]
    TooLong,
}

#[derive(Deserialize)]
struct Row {
    registry_ref: String,
    operation: RegistryOperation,
    order_id: String,
    amount: String,
    #[serde(default)]
    external_request_id: Option<String>,
}

/// Reads a registry whole or not at all. Columns: `registry_ref, operation, order_id, amount`, and
/// `external_request_id` where the bank has it; others are passed over.
pub fn parse(text: &[u8]) -> Result<Vec<Line>, Unreadable> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let unreadable = |error: csv::Error| Unreadable::Line { number: 0, reason: error.to_string() };
    let columns = reader.headers().map_err(unreadable)?.clone();
    if let Some(missing) = COLUMNS.into_iter().find(|column| !columns.iter().any(|name| name == *column)) {
        return Err(Unreadable::Column(missing));
    }
    let mut lines = Vec::new();
    let mut names = HashSet::new();
    for (index, row) in reader.deserialize::<Row>().enumerate() {
        let number = index + 1;
        let wrong = |reason: &str| Unreadable::Line { number, reason: reason.to_owned() };
        if number > LINES_MAX {
            return Err(Unreadable::TooLong);
        }
        let row = row.map_err(|error| wrong(&error.to_string()))?;
        if row.registry_ref.is_empty() || row.registry_ref.len() > 100 {
            return Err(wrong("registry_ref is empty or longer than 100 characters"));
        }
        if !names.insert(row.registry_ref.clone()) {
            return Err(wrong("registry_ref stands in the file twice"));
        }
        let payment_id = PaymentId::parse_provider_order_ref(&row.order_id).map(|(payment_id, _)| payment_id);
        let amount = Money::parse(&row.amount, Currency::RUB.code()).ok().filter(|amount| amount.is_positive());
        lines.push(Line {
            number,
            registry_ref: row.registry_ref,
            operation: row.operation,
            payment_id: payment_id.ok_or_else(|| wrong("order_id is none of ours"))?,
            amount: amount.ok_or_else(|| wrong("amount is no amount of roubles"))?,
            external_request_id: row.external_request_id.filter(|name| !name.is_empty()),
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REF: &str = "0190000000007000800000000000000a-01";

    fn csv(rows: &str) -> Vec<u8> {
        format!("registry_ref,operation,order_id,amount,date\n{rows}").into_bytes()
    }

    #[test]
    fn a_registry_is_read() {
        let lines = parse(&csv(&format!("r-1,REFUND,{REF},100.50,2026-01-01\nr-2, CHARGEBACK ,{REF},7,\n"))).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].operation, lines[0].amount), (RegistryOperation::Refund, Money::rub(10_050)));
        assert_eq!((lines[1].number, lines[1].amount), (2, Money::rub(700)));
    }

    #[test]
    fn a_file_that_does_not_name_its_columns_is_no_registry() {
        for (file, missing) in [
            ("", "registry_ref"),
            ("x\n", "registry_ref"),
            ("registry_ref,operation,order_id\n", "amount"),
            ("Registry_Ref,operation,order_id,amount\nr,REFUND,o,1\n", "registry_ref"),
        ] {
            assert_eq!(parse(file.as_bytes()), Err(Unreadable::Column(missing)), "{file:?}");
        }
        assert_eq!(parse(&csv("")), Ok(Vec::new()), "a day without operations");
        assert_eq!(parse("\u{feff}registry_ref,operation,order_id,amount\n".as_bytes()), Ok(Vec::new()));
        assert!(parse(b"registry_ref,\xff\n").is_err());
    }

    #[test]
    fn a_line_that_is_wrong_spoils_the_file_and_says_where() {
        for row in [
            format!(",REFUND,{REF},1,"),
            format!("r,REWARD,{REF},1,"),
            "r,REFUND,somebody's,1,".to_owned(),
            format!("r,REFUND,{REF},1.001,"),
            format!("r,REFUND,{REF},-1,"),
            format!("r,REFUND,{REF},0,"),
            format!("ok,REFUND,{REF},1,"),
            format!("r,REFUND,{REF}"),
        ] {
            let file = csv(&format!("ok,REFUND,{REF},1,\n{row}\n"));
            assert!(matches!(parse(&file), Err(Unreadable::Line { number: 2, .. })), "{row}");
        }
        let long: String = (0..=LINES_MAX).map(|n| format!("r-{n},REFUND,{REF},1,\n")).collect();
        assert_eq!(parse(&csv(&long)), Err(Unreadable::TooLong));
    }
}
