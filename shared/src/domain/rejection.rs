//! How the domain says no, for machines: every aggregate's error implements this one trait.

use std::borrow::Cow;

/// What kind of no it is. `http` turns the kind into a status, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// There is no such thing, or it is not the caller's to know of.
    NotFound,
    /// A rule of the business forbids it; `Rejection::rule` names the rule.
    Rule,
    /// The actor may never do this.
    PermissionDenied,
    /// A field of the command is out of its range.
    Validation,
}

/// A refusal of a command.
pub trait Rejection: std::error::Error + Send + Sync + 'static {
    /// What kind of no it is.
    fn kind(&self) -> RejectionKind;

    /// The stable name of the rule or the fault (`order_not_payable`), for machines.
    fn rule(&self) -> &'static str;

    /// The field at fault as a JSON pointer, for `Validation`.
    fn pointer(&self) -> Option<Cow<'static, str>> {
        None
    }

    /// A member that the answer carries besides, by name (`current_total`).
    fn extension(&self) -> Option<(&'static str, serde_json::Value)> {
        None
    }
}
