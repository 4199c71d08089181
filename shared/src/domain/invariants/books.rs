//! 14 and 16, of the books at rest. That they balance at every event (15) is asked after each is booked.

use super::{Facts, Rest, facts::OrderFacts, report::Left};
use crate::domain::{
    ids::{OrderId, PaymentId},
    ledger::Account,
};

/// 14: money that bought nothing is on its way back, or was sent.
pub(super) fn unapplied_drained(facts: &Facts, rest: &Rest) -> Vec<Left> {
    let mut left = Vec::new();
    for (account, currency, debit) in facts.ledger.balances().open() {
        let Account::Unapplied(payment_id) = account else { continue };
        if debit != 0 && !rest.excused.contains(&payment_id.0) && !has_open_refund(facts, payment_id) {
            left.push((Some(payment_id.0), format!("{} {} bought nothing and stays", -debit, currency.code())));
        }
    }
    left.sort();
    left
}

fn has_open_refund(facts: &Facts, payment_id: PaymentId) -> bool {
    facts.payments.get(&payment_id).is_some_and(|payment| payment.refunds.iter().any(|back| !back.is_over()))
}

/// 16: what an order was paid is in escrow, with the cook and the platform, or owed or gone back; after the release
/// nothing is in escrow.
pub(super) fn orders_are_conserved(facts: &Facts, rest: &Rest) -> Vec<Left> {
    let mut left: Vec<Left> = facts
        .orders
        .iter()
        .filter(|(id, _)| !rest.excused.contains(&id.0))
        .filter_map(|(id, order)| Some((Some(id.0), is_lost(facts, *id, order)?)))
        .collect();
    left.sort();
    left
}

fn is_lost(facts: &Facts, order_id: OrderId, order: &OrderFacts) -> Option<String> {
    let (card, gift) = order.paid_minor();
    let payment = order.paid.as_ref()?.payment_id.and_then(|id| facts.payments.get(&id));
    // Money that was only held and let go was never here.
    let card = if payment.is_none_or(|payment| payment.captured.is_some()) { card } else { 0 };
    let escrow = facts.ledger.balances().minor(Account::Escrow(order_id), order.total.currency());
    let (net, commission, released_refunds) = order.released.as_ref().map_or((0, 0, None), |released| {
        (released.producer_net.minor(), released.commission.minor(), Some(released.refunded.minor()))
    });
    let (card_owed, gift_owed) = order.owed_minor();
    let was_taken = payment.is_none_or(|payment| payment.captured.is_some());
    let card_owed = if was_taken { card_owed } else { 0 };
    // What was granted after the release is somebody's loss, not the order's money.
    let owed = released_refunds.unwrap_or(card_owed + gift_owed);
    if order.released.is_some() && escrow != 0 {
        return Some(format!("{escrow} is in escrow after the release"));
    }
    // The platform paid the cook itself.
    if order.released.is_some() && !was_taken {
        return None;
    }
    let found = owed + escrow + net + commission;
    (card + gift != found).then(|| {
        format!("paid {card} + {gift}, but {owed} owed back + {escrow} in escrow + {net} + {commission} shared")
    })
}
