//! The durations and limits of the business as settings. Both services and the auditor read the same, so that what is
//! offered, decided and judged agrees.
//!
//! Events hold the deadlines that follow from them, so a change reaches only what happens from then on.

use chrono::TimeDelta;

use super::SettingsError;
use crate::domain::{
    Money, dispute::DisputePolicy, gift::GiftPolicy, money::MINOR_MAX, order::OrderPolicy, payment::PaymentPolicy,
};

/// One line per setting: its name in the environment, its default, what it may be, and a sentence.
macro_rules! settings {
    ($( $(#[$($sentence:tt)+])+ $field:ident = $name:literal, $default:literal, $range:expr; )+) => {
        /// What the business is set to. Everything that commands are decided by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
        pub struct DomainSettings {
            $(
                $(#[$($sentence)+])+
                #[arg(
                    long, env = $name, value_name = $name, default_value_t = $default,
                    value_parser = clap::value_parser!(i64).range($range)
                )]
                pub $field: i64,
            )+
        }

        impl Default for DomainSettings {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        #[cfg(test)]
        const NAMES: &[(&str, fn(&DomainSettings) -> i64)] = &[$( ($name, |settings| settings.$field), )+];
    };
}

settings! {
    /// Minutes for which an order or a gift waits for its payment.
    order_payment_window_minutes = "HOMEFOOD_ORDER_PAYMENT_WINDOW_MINUTES", 30, 3..=1_440;
    /// Minutes more for a customer whom the bank is checking. An audit lets a payment be late by no more than 15.
    order_payment_grace_minutes = "HOMEFOOD_ORDER_PAYMENT_GRACE_MINUTES", 10, 0..=14;
    /// With fewer minutes than this left before the payment deadline no attempt is opened.
    order_payment_margin_minutes = "HOMEFOOD_ORDER_PAYMENT_MARGIN_MINUTES", 2, 0..=1_440;
    /// Attempts to pay that a customer may lose; the provider's outages do not count.
    order_payment_attempts_max = "HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_MAX", 5, 1..=100;
    /// Attempts to pay in all, outages included.
    order_payment_attempts_opened_max = "HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_OPENED_MAX", 20, 1..=100;
    /// The least that is paid by card, in minor units of roubles; no less than the provider takes.
    order_payable_min_minor = "HOMEFOOD_ORDER_PAYABLE_MIN_MINOR", 1_000, 1..=MINOR_MAX;
    /// The most that one order may cost, in minor units of roubles.
    order_total_max_minor = "HOMEFOOD_ORDER_TOTAL_MAX_MINOR", 9_999_999_999, 1..=MINOR_MAX;
    /// Minutes after which a cook who has not looked at a paid order is reminded.
    order_remind_minutes = "HOMEFOOD_ORDER_REMIND_MINUTES", 2, 1..=1_440;
    /// Minutes for which a paid order waits for its cook.
    order_accept_minutes = "HOMEFOOD_ORDER_ACCEPT_MINUTES", 15, 1..=1_440;
    /// Minutes before it is wanted until which a pre-order may be accepted.
    order_preorder_lead_minutes = "HOMEFOOD_ORDER_PREORDER_LEAD_MINUTES", 120, 0..=10_080;
    /// Days ahead for which a meal may be ordered.
    order_preorder_ahead_days = "HOMEFOOD_ORDER_PREORDER_AHEAD_DAYS", 30, 1..=365;
    /// Minutes after its promised time from which a meal that was not handed over is an alarm.
    order_stuck_minutes = "HOMEFOOD_ORDER_STUCK_MINUTES", 120, 1..=10_080;
    /// Hours after which a delivered order is complete by itself.
    order_auto_complete_hours = "HOMEFOOD_ORDER_AUTO_COMPLETE_HOURS", 24, 0..=720;
    /// Hours from completion to the release of the cook's share: until then the customer may open a dispute.
    order_payout_delay_hours = "HOMEFOOD_ORDER_PAYOUT_DELAY_HOURS", 48, 0..=720;
    /// Days after completion in which marks are taken.
    order_rating_days = "HOMEFOOD_ORDER_RATING_DAYS", 30, 0..=3_650;
    /// Hours after delivery for which the cook sees whom the meal was for.
    order_contact_hours = "HOMEFOOD_ORDER_CONTACT_HOURS", 24, 0..=720;
    /// Days for which money may be held on a card: one less than the bank allows.
    payment_hold_days = "HOMEFOOD_PAYMENT_HOLD_DAYS", 6, 1..=6;
    /// The least that a gift may be worth, in minor units of roubles.
    gift_value_min_minor = "HOMEFOOD_GIFT_VALUE_MIN_MINOR", 10_000, 1..=MINOR_MAX;
    /// The most that a gift may be worth, in minor units of roubles.
    gift_value_max_minor = "HOMEFOOD_GIFT_VALUE_MAX_MINOR", 5_000_000, 1..=MINOR_MAX;
    /// Days ahead for which the delivery of a gift may be ordered.
    gift_deliver_ahead_days = "HOMEFOOD_GIFT_DELIVER_AHEAD_DAYS", 90, 0..=365;
    /// Days for which a gift may be spent after it was paid.
    gift_validity_days = "HOMEFOOD_GIFT_VALIDITY_DAYS", 365, 1..=3_650;
    /// Days before a gift expires at which its holder is reminded first.
    gift_first_reminder_days = "HOMEFOOD_GIFT_FIRST_REMINDER_DAYS", 30, 1..=3_650;
    /// Days before a gift expires at which its holder is reminded again.
    gift_last_reminder_days = "HOMEFOOD_GIFT_LAST_REMINDER_DAYS", 7, 1..=3_650;
    /// Minutes for which a share of a gift stays reserved beyond its order's payment deadline.
    gift_reservation_grace_minutes = "HOMEFOOD_GIFT_RESERVATION_GRACE_MINUTES", 70, 1..=10_080;
    /// Orders that may take from one gift.
    gift_uses_max = "HOMEFOOD_GIFT_USES_MAX", 200, 1..=1_000;
    /// Wrong gift codes that one person or one address may give within the window.
    gift_guesses_max = "HOMEFOOD_GIFT_GUESSES_MAX", 5, 1..=1_000;
    /// Minutes for which a wrong gift code counts.
    gift_guesses_minutes = "HOMEFOOD_GIFT_GUESSES_MINUTES", 15, 1..=10_080;
    /// Hours for which a dispute waits for its cook.
    dispute_response_hours = "HOMEFOOD_DISPUTE_RESPONSE_HOURS", 24, 1..=720;
    /// Hours for which it waits for an administrator before the alarm rings.
    dispute_decision_hours = "HOMEFOOD_DISPUTE_DECISION_HOURS", 72, 1..=720;
    /// Hours that the two should talk before the customer may ask for a decision.
    dispute_talk_hours = "HOMEFOOD_DISPUTE_TALK_HOURS", 2, 0..=720;
    /// Up to this much a silent cook has agreed, in minor units of roubles.
    dispute_silence_max_minor = "HOMEFOOD_DISPUTE_SILENCE_MAX_MINOR", 300_000, 0..=MINOR_MAX;
    /// Above this much two administrators decide, in minor units of roubles.
    dispute_alone_max_minor = "HOMEFOOD_DISPUTE_ALONE_MAX_MINOR", 1_000_000, 0..=MINOR_MAX;
    /// Days after a decision in which it may be appealed.
    dispute_appeal_days = "HOMEFOOD_DISPUTE_APPEAL_DAYS", 7, 0..=365;
    /// Minutes after its promised time from which a meal may be said not to have come.
    dispute_not_received_minutes = "HOMEFOOD_DISPUTE_NOT_RECEIVED_MINUTES", 60, 0..=1_440;
    /// Days for which what a user was told can be resumed from.
    feed_resumable_days = "HOMEFOOD_FEED_RESUMABLE_DAYS", 7, 1..=365;
}

impl DomainSettings {
    /// Refuses what does not fit together: of each pair the first must not be more than the second.
    pub fn check(&self) -> Result<(), SettingsError> {
        let pairs = [
            // With no time left to open an attempt in, nobody could pay.
            (
                ("HOMEFOOD_ORDER_PAYMENT_MARGIN_MINUTES", self.order_payment_margin_minutes + 1),
                ("HOMEFOOD_ORDER_PAYMENT_WINDOW_MINUTES", self.order_payment_window_minutes),
            ),
            (
                ("HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_MAX", self.order_payment_attempts_max),
                ("HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_OPENED_MAX", self.order_payment_attempts_opened_max),
            ),
            (
                ("HOMEFOOD_ORDER_REMIND_MINUTES", self.order_remind_minutes + 1),
                ("HOMEFOOD_ORDER_ACCEPT_MINUTES", self.order_accept_minutes),
            ),
            (
                ("HOMEFOOD_ORDER_PAYABLE_MIN_MINOR", self.order_payable_min_minor),
                ("HOMEFOOD_GIFT_VALUE_MIN_MINOR", self.gift_value_min_minor),
            ),
            (
                ("HOMEFOOD_ORDER_PAYABLE_MIN_MINOR", self.order_payable_min_minor),
                ("HOMEFOOD_ORDER_TOTAL_MAX_MINOR", self.order_total_max_minor),
            ),
            (
                ("HOMEFOOD_GIFT_VALUE_MIN_MINOR", self.gift_value_min_minor),
                ("HOMEFOOD_GIFT_VALUE_MAX_MINOR", self.gift_value_max_minor),
            ),
            (
                ("HOMEFOOD_GIFT_LAST_REMINDER_DAYS", self.gift_last_reminder_days + 1),
                ("HOMEFOOD_GIFT_FIRST_REMINDER_DAYS", self.gift_first_reminder_days),
            ),
            (
                ("HOMEFOOD_GIFT_FIRST_REMINDER_DAYS", self.gift_first_reminder_days + 1),
                ("HOMEFOOD_GIFT_VALIDITY_DAYS", self.gift_validity_days),
            ),
            // The share is there for as long as its order may still be paid.
            (
                ("HOMEFOOD_ORDER_PAYMENT_GRACE_MINUTES", self.order_payment_grace_minutes + 1),
                ("HOMEFOOD_GIFT_RESERVATION_GRACE_MINUTES", self.gift_reservation_grace_minutes),
            ),
            (
                ("HOMEFOOD_DISPUTE_SILENCE_MAX_MINOR", self.dispute_silence_max_minor),
                ("HOMEFOOD_DISPUTE_ALONE_MAX_MINOR", self.dispute_alone_max_minor),
            ),
        ];
        match pairs.into_iter().find(|((_, least), (_, most))| least > most) {
            Some(((less, _), (more, _))) => Err(SettingsError::Wrong(format!("{less} is too much beside {more}"))),
            None => Ok(()),
        }
    }

    /// What orders are decided by.
    pub fn order_policy(&self) -> OrderPolicy {
        OrderPolicy {
            payment_window: TimeDelta::minutes(self.order_payment_window_minutes),
            payment_time_left_min: TimeDelta::minutes(self.order_payment_margin_minutes),
            payment_attempts_max: count(self.order_payment_attempts_max),
            payment_attempts_opened_max: count(self.order_payment_attempts_opened_max),
            remind_after: TimeDelta::minutes(self.order_remind_minutes),
            acceptance_window: TimeDelta::minutes(self.order_accept_minutes),
            preorder_lead: TimeDelta::minutes(self.order_preorder_lead_minutes),
            preorder_ahead: TimeDelta::days(self.order_preorder_ahead_days),
            stuck_after: TimeDelta::minutes(self.order_stuck_minutes),
            auto_complete_after: TimeDelta::hours(self.order_auto_complete_hours),
            payout_delay: TimeDelta::hours(self.order_payout_delay_hours),
            rating_window: TimeDelta::days(self.order_rating_days),
            contact_shown_after_delivery: TimeDelta::hours(self.order_contact_hours),
            not_received_after: TimeDelta::minutes(self.dispute_not_received_minutes),
            appeal_window: TimeDelta::days(self.dispute_appeal_days),
            payable_min_minor: self.order_payable_min_minor,
            total_max_minor: self.order_total_max_minor,
        }
    }

    /// What payments are decided by.
    pub fn payment_policy(&self) -> PaymentPolicy {
        PaymentPolicy { amount_min_minor: self.order_payable_min_minor, hold: TimeDelta::days(self.payment_hold_days) }
    }

    /// What gifts are decided by. A gift is paid as an order is.
    pub fn gift_policy(&self) -> GiftPolicy {
        let reminders = [self.gift_first_reminder_days, self.gift_last_reminder_days];
        GiftPolicy {
            value_min_minor: self.gift_value_min_minor,
            value_max_minor: self.gift_value_max_minor,
            deliver_ahead_max: TimeDelta::days(self.gift_deliver_ahead_days),
            payment_window: TimeDelta::minutes(self.order_payment_window_minutes),
            payment_time_left_min: TimeDelta::minutes(self.order_payment_margin_minutes),
            payment_attempts_max: count(self.order_payment_attempts_max),
            payment_attempts_opened_max: count(self.order_payment_attempts_opened_max),
            validity: TimeDelta::days(self.gift_validity_days),
            reminders_before: reminders.map(TimeDelta::days),
            reservation_grace: TimeDelta::minutes(self.gift_reservation_grace_minutes),
            uses_max: count(self.gift_uses_max),
            payable_min_minor: self.order_payable_min_minor,
        }
    }

    /// What disputes are decided by.
    pub fn dispute_policy(&self) -> DisputePolicy {
        DisputePolicy {
            response_window: TimeDelta::hours(self.dispute_response_hours),
            decision_window: TimeDelta::hours(self.dispute_decision_hours),
            talk_first: TimeDelta::hours(self.dispute_talk_hours),
            silence_grants_max: Money::rub(self.dispute_silence_max_minor),
            one_decides_max: Money::rub(self.dispute_alone_max_minor),
        }
    }

    /// How much longer a customer who is being checked by the bank may take.
    pub fn payment_grace(&self) -> TimeDelta {
        TimeDelta::minutes(self.order_payment_grace_minutes)
    }

    /// How long a wrong gift code counts.
    pub fn guesses_window(&self) -> TimeDelta {
        TimeDelta::minutes(self.gift_guesses_minutes)
    }

    /// How far back a feed can be resumed; older is refetched by REST.
    pub fn feed_resumable(&self) -> TimeDelta {
        TimeDelta::days(self.feed_resumable_days)
    }
}

/// The ranges let no negative number in.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        domain: DomainSettings,
    }

    fn parse(arguments: &[&str]) -> Result<DomainSettings, String> {
        let alone = Alone::try_parse_from(std::iter::once("test").chain(arguments.iter().copied()));
        let settings = alone.map_err(|error| error.to_string())?.domain;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    /// What the business says, as it says it.
    const BUSINESS: &[(&str, i64)] = &[
        ("HOMEFOOD_ORDER_PAYMENT_WINDOW_MINUTES", 30),
        ("HOMEFOOD_ORDER_PAYMENT_GRACE_MINUTES", 10),
        ("HOMEFOOD_ORDER_PAYMENT_MARGIN_MINUTES", 2),
        ("HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_MAX", 5),
        ("HOMEFOOD_ORDER_PAYABLE_MIN_MINOR", 10 * 100),
        ("HOMEFOOD_ORDER_REMIND_MINUTES", 2),
        ("HOMEFOOD_ORDER_ACCEPT_MINUTES", 15),
        ("HOMEFOOD_ORDER_PREORDER_LEAD_MINUTES", 2 * 60),
        ("HOMEFOOD_ORDER_STUCK_MINUTES", 2 * 60),
        ("HOMEFOOD_ORDER_AUTO_COMPLETE_HOURS", 24),
        ("HOMEFOOD_ORDER_PAYOUT_DELAY_HOURS", 48),
        ("HOMEFOOD_ORDER_RATING_DAYS", 30),
        ("HOMEFOOD_ORDER_CONTACT_HOURS", 24),
        ("HOMEFOOD_ORDER_TOTAL_MAX_MINOR", 9_999_999_999),
        ("HOMEFOOD_PAYMENT_HOLD_DAYS", 6),
        ("HOMEFOOD_GIFT_VALUE_MIN_MINOR", 100 * 100),
        ("HOMEFOOD_GIFT_VALUE_MAX_MINOR", 50_000 * 100),
        ("HOMEFOOD_GIFT_DELIVER_AHEAD_DAYS", 90),
        ("HOMEFOOD_GIFT_VALIDITY_DAYS", 365),
        ("HOMEFOOD_GIFT_FIRST_REMINDER_DAYS", 30),
        ("HOMEFOOD_GIFT_LAST_REMINDER_DAYS", 7),
        ("HOMEFOOD_GIFT_RESERVATION_GRACE_MINUTES", 70),
        ("HOMEFOOD_GIFT_GUESSES_MAX", 5),
        ("HOMEFOOD_GIFT_GUESSES_MINUTES", 15),
        ("HOMEFOOD_DISPUTE_RESPONSE_HOURS", 24),
        ("HOMEFOOD_DISPUTE_DECISION_HOURS", 72),
        ("HOMEFOOD_DISPUTE_TALK_HOURS", 2),
        ("HOMEFOOD_DISPUTE_SILENCE_MAX_MINOR", 3_000 * 100),
        ("HOMEFOOD_DISPUTE_ALONE_MAX_MINOR", 10_000 * 100),
        ("HOMEFOOD_DISPUTE_APPEAL_DAYS", 7),
        ("HOMEFOOD_DISPUTE_NOT_RECEIVED_MINUTES", 60),
        ("HOMEFOOD_FEED_RESUMABLE_DAYS", 7),
    ];

    /// Bounds that the business does not name.
    const OURS: &[(&str, i64)] = &[
        ("HOMEFOOD_ORDER_PAYMENT_ATTEMPTS_OPENED_MAX", 20),
        ("HOMEFOOD_ORDER_PREORDER_AHEAD_DAYS", 30),
        ("HOMEFOOD_GIFT_USES_MAX", 200),
    ];

    #[test]
    fn every_default_is_what_the_business_says() {
        let settings = DomainSettings::default();
        let mut found: Vec<_> = NAMES.iter().map(|(name, value)| (*name, value(&settings))).collect();
        let mut expected: Vec<_> = BUSINESS.iter().chain(OURS).copied().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(parse(&[]), Ok(settings));
    }

    #[test]
    fn the_policies_of_the_domain_have_the_same_defaults() {
        let settings = DomainSettings::default();
        assert_eq!(settings.order_policy(), OrderPolicy::default());
        assert_eq!(settings.payment_policy(), PaymentPolicy::default());
        assert_eq!(settings.gift_policy(), GiftPolicy::default());
        assert_eq!(settings.dispute_policy(), DisputePolicy::default());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for wrong in ["--order-rating-days=-1", "--gift-guesses-max=0", "--order-payment-grace-minutes=15"] {
            let refused = parse(&[wrong]).unwrap_err();
            let flag = wrong.split('=').next().unwrap();
            assert!(refused.contains(flag), "{wrong}: {refused}");
        }
        for (wrong, names) in [
            ("--gift-value-min-minor=5000001", ["GIFT_VALUE_MIN_MINOR", "GIFT_VALUE_MAX_MINOR"]),
            ("--order-payment-margin-minutes=30", ["ORDER_PAYMENT_MARGIN_MINUTES", "ORDER_PAYMENT_WINDOW_MINUTES"]),
            ("--order-accept-minutes=2", ["ORDER_REMIND_MINUTES", "ORDER_ACCEPT_MINUTES"]),
            ("--gift-validity-days=30", ["GIFT_FIRST_REMINDER_DAYS", "GIFT_VALIDITY_DAYS"]),
            ("--dispute-alone-max-minor=1", ["DISPUTE_SILENCE_MAX_MINOR", "DISPUTE_ALONE_MAX_MINOR"]),
            ("--order-payable-min-minor=10001", ["ORDER_PAYABLE_MIN_MINOR", "GIFT_VALUE_MIN_MINOR"]),
        ] {
            let refused = parse(&[wrong]).unwrap_err();
            assert!(names.iter().all(|name| refused.contains(name)), "{wrong}: {refused}");
        }
    }
}
