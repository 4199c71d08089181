//! The list of all invariants: number, name, and who judges it.

use super::{
    Facts, Moment, Rest, Verdict, books, deadlines, disputes, gifts,
    outside::{self, Outside},
    paid, prices, refunds, streams,
};

/// What an invariant says, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Law {
    /// 1 to 32.
    pub number: u8,
    /// In a few words.
    pub name: &'static str,
}

/// All of them, in order.
pub const LAWS: [Law; 32] = [
    law(1, "streams are gapless and legal"),
    law(2, "every event has a known cause"),
    law(3, "every stream is born once"),
    law(4, "an order is paid once"),
    law(5, "a paid order has its money"),
    law(6, "one payment is applied, once"),
    law(7, "one attempt to pay is open at a time"),
    law(8, "money is captured once"),
    law(9, "no more goes back than was captured"),
    law(10, "no refund happens twice"),
    law(11, "no more is owed back than was paid"),
    law(12, "every refund of a payment has its reason"),
    law(13, "a cancelled order gives everything back"),
    law(14, "unapplied money drains"),
    law(15, "the books balance"),
    law(16, "an order's money is conserved"),
    law(17, "a gift is never over-redeemed"),
    law(18, "a reservation ends once"),
    law(19, "a gift is paid before it is used"),
    law(20, "nothing is reserved after expiry"),
    law(21, "a dispute is resolved at most once"),
    law(22, "a dispute moves the money it decided"),
    law(23, "frozen is frozen"),
    law(24, "the payout adds up"),
    law(25, "totals add up"),
    law(26, "a flow has one currency"),
    law(27, "no more portions than there are"),
    law(28, "deadlines are kept"),
    law(29, "captured money has evidence"),
    law(30, "a command is done once"),
    law(31, "the bank has the same books"),
    law(32, "read models are folds of the log"),
];

const fn law(number: u8, name: &'static str) -> Law {
    Law { number, name }
}

/// Judges an event before it is taken into the facts.
pub(super) type OnEvent = fn(&Moment<'_>) -> Verdict;

/// Judges the facts of a log at rest.
pub(super) type AtRest = fn(&Facts, &Rest) -> Vec<super::report::Left>;

/// Judges what is known from outside beside the facts.
pub(super) type FromOutside = fn(&Facts, &Outside) -> Vec<super::report::Left>;

pub(super) const ON_EVENT: [(u8, OnEvent); 25] = [
    (1, streams::is_gapless_and_legal),
    (2, streams::has_a_cause),
    (3, streams::is_born_once),
    (4, paid::is_paid_once),
    (5, paid::has_its_money),
    (6, paid::is_applied_once),
    (7, paid::one_open_attempt),
    (8, paid::is_captured_once),
    (9, refunds::goes_back_within_captured),
    (10, refunds::happens_once),
    (11, refunds::is_owed_within_paid),
    (12, refunds::has_its_reason),
    (17, gifts::pots_are_whole),
    (18, gifts::reservation_ends_once),
    (19, gifts::is_paid_before_use),
    (20, gifts::reserves_before_expiry),
    (21, disputes::is_resolved_once),
    (22, disputes::moves_what_was_decided),
    (23, disputes::frozen_is_frozen),
    (24, prices::payout_adds_up),
    (25, prices::totals_add_up),
    (26, prices::one_currency),
    (27, prices::portions_return_once),
    (29, outside::evidence_fits),
    (30, streams::command_is_done_once),
];

pub(super) const AT_REST: [(u8, AtRest); 5] = [
    (13, refunds::cancelled_gave_back),
    (14, books::unapplied_drained),
    (16, books::orders_are_conserved),
    (23, disputes::claims_are_disputes),
    (28, deadlines::were_kept),
];

pub(super) const FROM_OUTSIDE: [(u8, FromOutside); 5] = [
    (27, outside::portions_fit),
    (29, outside::inbox_is_processed_once),
    (30, outside::receipts_are_unique),
    (31, outside::bank_agrees),
    (32, outside::rows_are_folds),
];
