//! The bank's words for where a payment stands.

use shared::domain::payment::ProviderStatus;

/// What a word means; nothing if it is not one that we know: then only asking and a person help.
///
/// How far along a status is says [`ProviderStatus::rank`]; events only move up.
pub fn status_of(word: &str) -> Option<ProviderStatus> {
    Some(match word {
        "NEW" => ProviderStatus::New,
        "FORM_SHOWED" => ProviderStatus::FormShown,
        "PREAUTHORIZING" | "AUTHORIZING" | "3DS_CHECKING" | "3DS_CHECKED" | "PAY_CHECKING" | "PROCESSING" => {
            ProviderStatus::Processing
        }
        "AUTHORIZED" => ProviderStatus::Authorized,
        "CONFIRMING" => ProviderStatus::Confirming,
        "CONFIRMED" => ProviderStatus::Confirmed,
        "REVERSING" | "REFUNDING" | "ASYNC_REFUNDING" => ProviderStatus::Refunding,
        "PARTIAL_REFUNDED" => ProviderStatus::PartiallyRefunded,
        "REFUNDED" => ProviderStatus::Refunded,
        "CANCELED" => ProviderStatus::Cancelled,
        "DEADLINE_EXPIRED" => ProviderStatus::Expired,
        "AUTH_FAIL" => ProviderStatus::AuthFailed,
        "REJECTED" => ProviderStatus::Declined,
        "REVERSED" => ProviderStatus::Voided,
        // PARTIAL_REVERSED, CHECKING, CHECKED, COMPLETING, COMPLETED and UNKNOWN are theirs, but mean nothing here.
        _ => return None,
    })
}

/// What a word means, with an alarm if it means nothing.
pub(super) fn heard(word: &str, provider_payment_id: &str) -> Option<ProviderStatus> {
    let status = status_of(word);
    if status.is_none() {
        let word: String = word.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        tracing::error!(
            event = "provider_word_unknown",
            provider = "TBANK",
            provider_payment_id,
            word,
            "the bank says a word without a meaning here; nothing is booked and it is asked again"
        );
    }
    status
}
