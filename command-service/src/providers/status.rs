//! Where a provider says that a payment stands. (Stands in for the type of the domain's payment commands.)

/// Reports come late, twice and in any order: only one that ranks above everything known so far changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ProviderStatus {
    /// The page to pay on exists.
    New,
    /// The customer looks at it.
    FormShown,
    /// The bank checks the customer.
    Processing,
    /// The money is held.
    Authorized,
    /// The money is being taken.
    Confirming,
    /// The money was taken.
    Confirmed,
    /// Money is on its way back.
    Refunding,
    /// A part went back.
    PartiallyRefunded,
    /// Everything went back.
    Refunded,
    /// The page was withdrawn before anybody paid.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// The customer did not pass the bank's check.
    AuthFailed,
    /// The bank said no.
    Declined,
    /// The hold was lifted.
    Voided,
}
