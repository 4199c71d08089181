//! What goes wrong with a call, on request.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the bank's own names")]
pub enum Operation {
    Init,
    Confirm,
    Cancel,
    GetState,
    CheckOrder,
    GetQrState,
}

impl Operation {
    pub(crate) const ALL: [Self; 6] =
        [Self::Init, Self::Confirm, Self::Cancel, Self::GetState, Self::CheckOrder, Self::GetQrState];

    /// The path below the API's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::Confirm => "Confirm",
            Self::Cancel => "Cancel",
            Self::GetState => "GetState",
            Self::CheckOrder => "CheckOrder",
            Self::GetQrState => "GetQrState",
        }
    }
}

/// What goes wrong. "After" means that the call was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The connection closes before anything is done.
    DropBefore,
    /// The connection closes when it is done.
    DropAfter,
    /// Nothing is done, and the answer takes this long.
    StallBefore {
        /// Milliseconds.
        ms: u64,
    },
    /// It is done, and the answer takes this long.
    StallAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// It is done, and the answer's body comes a byte at a time for so long; then the connection closes.
    TrickleAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// It is done, and the connection is reset.
    ResetAfter,
    /// An HTTP status instead of doing it.
    StatusBefore {
        /// The status.
        status: u16,
    },
    /// An HTTP status although it is done.
    StatusAfter {
        /// The status.
        status: u16,
    },
    /// Too many requests.
    RateLimit {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// A refusal with a code of the table.
    Code {
        /// The code.
        code: String,
        /// The bank's words for it.
        #[serde(default)]
        message: String,
    },
    /// It is done, and the answer is no JSON.
    GarbageAfter,
    /// It is done, and the answer does not end.
    HugeAfter,
    /// The customer pays at the very last moment before it is done; nobody is told.
    PaidMeanwhile,
}

impl Fault {
    /// What it is counted as.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::StallBefore { .. } => "stall_before",
            Self::StallAfter { .. } => "stall_after",
            Self::TrickleAfter { .. } => "trickle_after",
            Self::ResetAfter => "reset_after",
            Self::StatusBefore { .. } => "status_before",
            Self::StatusAfter { .. } => "status_after",
            Self::RateLimit { .. } => "rate_limit",
            Self::Code { .. } => "code",
            Self::GarbageAfter => "garbage_after",
            Self::HugeAfter => "huge_after",
            Self::PaidMeanwhile => "paid_meanwhile",
        }
    }
}

/// Which calls go wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Only this call; every one if left out.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Only about references that begin so.
    #[serde(default)]
    pub about: Option<String>,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
    /// How many fitting calls go well first.
    #[serde(default)]
    pub after: u32,
    /// What goes wrong.
    pub fault: Fault,
}

fn once() -> u32 {
    1
}

impl FaultRule {
    /// The next call of that name goes wrong so.
    pub fn next(operation: Operation, fault: Fault) -> Self {
        Self { operation: Some(operation), about: None, times: 1, after: 0, fault }
    }

    /// Only about references that begin so.
    #[must_use]
    pub fn about(mut self, order_ref: &str) -> Self {
        self.about = Some(order_ref.chars().filter(char::is_ascii_alphanumeric).collect());
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The rules that are left, and how often each call was made.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<FaultRule>,
    calls: HashMap<Operation, u32>,
    /// Inits by reference without its number.
    tries: HashMap<String, u32>,
    /// Inits that ended in an error of the server.
    server_errors: u32,
    /// What went wrong, and how often.
    done: BTreeMap<&'static str, u32>,
}

/// Inits of .14 that fail.
const SERVER_ERRORS: u32 = 5;

impl Faults {
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub fn calls(&self, operation: Operation) -> u32 {
        self.calls.get(&operation).copied().unwrap_or(0)
    }

    pub fn count(&mut self, operation: Operation) {
        *self.calls.entry(operation).or_default() += 1;
    }

    /// Writes down that something went wrong.
    pub fn did(&mut self, name: &'static str) {
        *self.done.entry(name).or_default() += 1;
    }

    pub fn done(&self) -> &BTreeMap<&'static str, u32> {
        &self.done
    }

    /// Counts an Init of a payment; says which it is.
    pub fn tries_of(&mut self, order_ref: &str) -> u32 {
        let tries = self.tries.entry(order_ref.chars().take(32).collect()).or_default();
        *tries += 1;
        *tries
    }

    /// Whether one more Init is to end in an error of the server.
    pub fn server_errors_left(&mut self) -> bool {
        self.server_errors += 1;
        self.server_errors <= SERVER_ERRORS
    }

    /// What goes wrong with this call, if anything.
    pub fn next(&mut self, operation: Operation, order_ref: &str) -> Option<Fault> {
        let order_ref: String = order_ref.chars().filter(char::is_ascii_alphanumeric).collect();
        let fits = |rule: &FaultRule| {
            rule.operation.is_none_or(|wanted| wanted == operation)
                && rule.about.as_ref().is_none_or(|about| order_ref.starts_with(about.as_str()))
        };
        let index = self.rules.iter().position(fits)?;
        let rule = self.rules.get_mut(index)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        rule.times = rule.times.saturating_sub(1);
        let fault = rule.fault.clone();
        if rule.times == 0 {
            self.rules.remove(index);
        }
        Some(fault)
    }
}
