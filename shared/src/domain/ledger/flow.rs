//! What an event posts, given what is remembered of its order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, LedgerError, PostingSet};
use crate::domain::{
    AggregateType, DomainEvent, Money,
    gift::GiftEvent,
    ids::{GiftId, OrderId, PaymentId, ProducerId, RefundId},
    order::{Fault, Funds, OrderEvent, OrderPaid, OrderPayoutReleased, OrderRefundAuthorized, RefundPart},
    payment::{PaymentEvent, PaymentRefundSource},
};

/// Which flow an event belongs to: an order or a gift by its own id, a payment by what it is for. It needs no payload.
pub fn flow_of(aggregate_type: AggregateType, aggregate_id: Uuid, correlation_id: Uuid) -> Uuid {
    match aggregate_type {
        AggregateType::Order | AggregateType::Gift => aggregate_id,
        // A payment's flow is named after the order or the gift that wanted it.
        AggregateType::Payment => correlation_id,
        // It moves no money itself: its order does.
        AggregateType::Dispute => aggregate_id,
    }
}

/// What postings need to know of what happened before to one order. Bounded by what an order itself is bounded by: its
/// attempts to pay and its refunds. A gift has nothing to remember.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// The order and whose share it is, once placed.
    order: Option<(OrderId, ProducerId)>,
    /// Whether the share was given out: from then on refunds are somebody's loss.
    is_released: bool,
    /// The order is paid with money that is only held.
    held: Option<Held>,
    /// The payments whose money was taken.
    taken: Vec<PaymentId>,
    /// Refunds of which a part goes to the card, until it is there.
    to_card: Vec<(RefundId, Money)>,
}

/// Money that is held for an order: nothing of it is in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    payment_id: PaymentId,
    card: Money,
    /// What the order said that it owes of it.
    owed: Money,
}

impl Flow {
    /// What the event posts. The event is of the stream `aggregate_id` and of this flow.
    pub fn post(&mut self, aggregate_id: Uuid, event: &DomainEvent) -> Result<PostingSet, LedgerError> {
        let mut book = Book { event_type: event.type_name(), set: PostingSet::default() };
        match event {
            DomainEvent::Order(event) => self.on_order(OrderId(aggregate_id), event, &mut book)?,
            DomainEvent::Payment(event) => self.on_payment(PaymentId(aggregate_id), event, &mut book)?,
            DomainEvent::Gift(event) => on_gift(GiftId(aggregate_id), event, &mut book)?,
            DomainEvent::Dispute(_) => {}
        }
        Ok(book.set)
    }

    fn on_order(&mut self, order_id: OrderId, event: &OrderEvent, book: &mut Book) -> Result<(), LedgerError> {
        match event {
            OrderEvent::OrderCreated(created) => {
                self.order.get_or_insert((order_id, created.producer_id));
                Ok(())
            }
            OrderEvent::OrderPaid(paid) => self.paid(order_id, paid, book),
            OrderEvent::OrderRefundAuthorized(refund) => self.refund_authorized(order_id, refund, book),
            OrderEvent::OrderRefundSettled(settled) => match settled.part {
                RefundPart::Card => self.settled(settled.refund_id, book),
                // The gift itself says when it was credited.
                RefundPart::Gift => Ok(()),
            },
            OrderEvent::OrderPayoutReleased(released) => self.released(order_id, released, book),
            OrderEvent::OrderPaymentRequested(_)
            | OrderEvent::OrderPaymentAttemptFailed(_)
            | OrderEvent::OrderAccepted(_)
            | OrderEvent::OrderEtaChanged(_)
            | OrderEvent::OrderPreparationStarted(_)
            | OrderEvent::OrderReady(_)
            | OrderEvent::OrderDispatched(_)
            | OrderEvent::OrderDelivered(_)
            | OrderEvent::OrderCompleted(_)
            | OrderEvent::OrderCancelled(_)
            | OrderEvent::OrderRefundFailed(_)
            | OrderEvent::OrderProducerReminded(_)
            | OrderEvent::OrderPayoutFrozen(_)
            | OrderEvent::OrderPayoutUnfrozen(_)
            | OrderEvent::OrderRated(_) => Ok(()),
        }
    }

    fn paid(&mut self, order_id: OrderId, paid: &OrderPaid, book: &mut Book) -> Result<(), LedgerError> {
        // The gift's part is posted when the gift says that it is redeemed.
        let Some(payment_id) = paid.payment_id else { return Ok(()) };
        if paid.funds == Funds::Authorized && !self.taken.contains(&payment_id) {
            let (card, owed) = (paid.card_amount, Money::zero(paid.card_amount.currency()));
            self.held = Some(Held { payment_id, card, owed });
            return Ok(());
        }
        book.post(Account::Unapplied(payment_id), Account::Escrow(order_id), paid.card_amount)
    }

    fn refund_authorized(
        &mut self,
        order_id: OrderId,
        refund: &OrderRefundAuthorized,
        book: &mut Book,
    ) -> Result<(), LedgerError> {
        let bearer = match (self.is_released, refund.fault) {
            (false, _) => Account::Escrow(order_id),
            (true, Fault::Producer) => Account::ProducerPayable(self.producer(book)?),
            (true, Fault::Platform | Fault::None) => Account::PlatformLoss,
        };
        if refund.card_amount.is_positive() {
            self.to_card.push((refund.refund_id, refund.card_amount));
        }
        let amount = match &mut self.held {
            // Of money that was never taken there is nothing to give back.
            Some(held) if !self.is_released => {
                held.owed = held.owed.add(refund.card_amount)?;
                refund.gift_amount
            }
            Some(_) | None => refund.card_amount.add(refund.gift_amount)?,
        };
        book.post(bearer, Account::RefundDue(refund.refund_id), amount)
    }

    /// Usually the payment has said before that the money is back. If not, the hold was lifted and nothing was ever taken,
    /// or the bank has taken it without us and it was booked as a loss.
    fn settled(&mut self, refund_id: RefundId, book: &mut Book) -> Result<(), LedgerError> {
        match self.arrived_on_card(refund_id) {
            Some(amount) if self.held.is_none() => {
                book.post(Account::RefundDue(refund_id), Account::ChargebackLoss, amount)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn released(
        &mut self,
        order_id: OrderId,
        released: &OrderPayoutReleased,
        book: &mut Book,
    ) -> Result<(), LedgerError> {
        let producer_id = self.producer(book)?;
        self.is_released = true;
        // Who cooked is paid, also if the held money could not be taken in the end.
        if let Some(held) = &self.held {
            book.post(Account::PlatformLoss, Account::Escrow(order_id), held.card.sub(held.owed)?)?;
        }
        book.post(Account::Escrow(order_id), Account::ProducerPayable(producer_id), released.producer_net)?;
        book.post(Account::Escrow(order_id), Account::PlatformRevenue, released.commission)
    }

    fn producer(&self, book: &Book) -> Result<ProducerId, LedgerError> {
        self.order.map(|(_, producer_id)| producer_id).ok_or(LedgerError::NotPlaced { event_type: book.event_type })
    }

    /// The card's part of the refund, if it was not there before.
    fn arrived_on_card(&mut self, refund_id: RefundId) -> Option<Money> {
        let at = self.to_card.iter().position(|(id, _)| *id == refund_id)?;
        Some(self.to_card.swap_remove(at).1)
    }

    fn on_payment(&mut self, payment_id: PaymentId, event: &PaymentEvent, book: &mut Book) -> Result<(), LedgerError> {
        match event {
            PaymentEvent::PaymentSucceeded(succeeded) => {
                book.post(Account::PspClearing, Account::Unapplied(payment_id), succeeded.amount)?;
                self.taken(payment_id, book)
            }
            PaymentEvent::PaymentRefundRequested(requested) => match requested.source {
                PaymentRefundSource::Unapplied => {
                    let due = Account::RefundDue(requested.refund_id);
                    book.post(Account::Unapplied(payment_id), due, requested.amount)
                }
                // The order or the gift has owed it before.
                PaymentRefundSource::OrderRefund | PaymentRefundSource::GiftRefund => Ok(()),
            },
            PaymentEvent::PaymentRefundSucceeded(refund) => {
                self.arrived_on_card(refund.refund_id);
                book.post(Account::RefundDue(refund.refund_id), Account::PspClearing, refund.amount)
            }
            // It was a loss; now it has paid what was owed.
            PaymentEvent::PaymentRefundResolved(resolved) => match resolved.back_already {
                Some(amount) => self.back_already(payment_id, resolved.refund_id, amount, book),
                None => Ok(()),
            },
            // Gone at once, and a loss until an order owes it.
            PaymentEvent::PaymentChargebackRecorded(act) => {
                book.post(Account::ChargebackLoss, Account::PspClearing, act.amount)
            }
            PaymentEvent::PaymentExternalRefundRecorded(act) => {
                book.post(Account::ChargebackLoss, Account::PspClearing, act.amount)?;
                match act.stands_for {
                    Some(refund_id) => self.back_already(payment_id, refund_id, act.amount, book),
                    None => Ok(()),
                }
            }
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentSessionOpened(_)
            | PaymentEvent::PaymentProcessing(_)
            | PaymentEvent::PaymentAuthorized(_)
            | PaymentEvent::PaymentCaptureRequested(_)
            | PaymentEvent::PaymentFailed(_)
            | PaymentEvent::PaymentAbortRequested(_)
            | PaymentEvent::PaymentApplied(_)
            | PaymentEvent::PaymentUnapplied(_)
            | PaymentEvent::PaymentRefundSubmitted(_)
            | PaymentEvent::PaymentRefundFailed(_)
            | PaymentEvent::PaymentRefundUnknown(_)
            | PaymentEvent::PaymentAbortPostponed(_)
            | PaymentEvent::PaymentCapturePostponed(_)
            | PaymentEvent::PaymentRefundResolutionProposed(_)
            | PaymentEvent::PaymentIntegrityViolated(_)
            | PaymentEvent::PaymentIntegrityResolutionProposed(_)
            | PaymentEvent::PaymentIntegrityResolved(_) => Ok(()),
        }
    }

    /// The order may have settled it before, when it heard of the bank's act; money that bought nothing has no order, and
    /// what a gift owes is owed until the payment says that it is back.
    fn back_already(
        &mut self,
        payment_id: PaymentId,
        refund_id: RefundId,
        amount: Money,
        book: &mut Book,
    ) -> Result<(), LedgerError> {
        let is_a_gifts = self.order.is_none();
        let was_owed =
            self.arrived_on_card(refund_id).is_some() || refund_id == RefundId::of_unapplied(payment_id) || is_a_gifts;
        if was_owed { book.post(Account::RefundDue(refund_id), Account::ChargebackLoss, amount) } else { Ok(()) }
    }

    /// What the money had paid for while it was only held is posted now.
    fn taken(&mut self, payment_id: PaymentId, book: &mut Book) -> Result<(), LedgerError> {
        // A gift's money is used by the gift.
        let Some((order_id, _)) = self.order else { return Ok(()) };
        self.taken.push(payment_id);
        let Some(held) = self.held.take_if(|held| held.payment_id == payment_id) else { return Ok(()) };
        let escrow = Account::Escrow(order_id);
        book.post(Account::Unapplied(payment_id), escrow, held.card)?;
        for (refund_id, amount) in &self.to_card {
            book.post(escrow, Account::RefundDue(*refund_id), *amount)?;
        }
        // What was booked as lost came after all.
        if self.is_released {
            book.post(escrow, Account::PlatformLoss, held.card.sub(held.owed)?)?;
        }
        Ok(())
    }
}

fn on_gift(gift_id: GiftId, event: &GiftEvent, book: &mut Book) -> Result<(), LedgerError> {
    let liability = Account::GiftLiability(gift_id);
    match event {
        GiftEvent::GiftIssued(issued) => book.post(Account::Unapplied(issued.payment_id), liability, issued.value),
        GiftEvent::GiftReserved(reserved) => book.post(liability, Account::GiftReserved, reserved.amount),
        GiftEvent::GiftReservationReleased(released) => book.post(Account::GiftReserved, liability, released.amount),
        GiftEvent::GiftRedeemed(redeemed) => {
            book.post(Account::GiftReserved, Account::Escrow(redeemed.order_id), redeemed.amount)
        }
        GiftEvent::GiftCredited(credited) => {
            book.post(Account::RefundDue(credited.refund_id), liability, credited.amount)
        }
        GiftEvent::GiftRefundRequested(refund) => {
            book.post(liability, Account::RefundDue(refund.refund_id), refund.amount)
        }
        GiftEvent::GiftRefundReverted(refund) => {
            book.post(Account::RefundDue(refund.refund_id), liability, refund.amount)
        }
        GiftEvent::GiftCreated(_)
        | GiftEvent::GiftPaymentRequested(_)
        | GiftEvent::GiftPaymentAttemptFailed(_)
        | GiftEvent::GiftDelivered(_)
        | GiftEvent::GiftReminded(_)
        | GiftEvent::GiftActivated(_)
        | GiftEvent::GiftActivationReverted(_)
        | GiftEvent::GiftConverted(_)
        | GiftEvent::GiftExpired(_)
        | GiftEvent::GiftCancelled(_)
        | GiftEvent::GiftRefundSettled(_)
        | GiftEvent::GiftBlocked(_)
        | GiftEvent::GiftUnblocked(_) => Ok(()),
    }
}

/// The set that one event's entries go into.
struct Book {
    event_type: &'static str,
    set: PostingSet,
}

impl Book {
    fn post(&mut self, debit: Account, credit: Account, amount: Money) -> Result<(), LedgerError> {
        self.set.post(self.event_type, (debit, credit), amount)
    }
}
