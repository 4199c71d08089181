//! What buyers and recipients of gifts are told.

use shared::{
    domain::{
        UserId,
        gift::{DeliveryChannel, GiftCancelled, GiftEvent, GiftStatus},
    },
    log::RecordedEvent,
    web::socket::{Notification, NotificationKind as Kind},
};

use super::row::{EntryKind, FeedGift, NewEntry, Recipient};

impl FeedGift {
    pub(super) fn take(&mut self, event: &RecordedEvent, gift_event: &GiftEvent) {
        match gift_event {
            // Handled where rows are born; the buyer is doing this right now.
            GiftEvent::GiftCreated(_) | GiftEvent::GiftPaymentRequested(_) => {}
            GiftEvent::GiftPaymentAttemptFailed(_) => {
                let body = "The payment of your gift did not go through. You can try again.";
                self.tell_buyer(event, Kind::PaymentFailed, "Payment failed", body);
            }
            GiftEvent::GiftIssued(_) => {
                self.tell_buyer(event, Kind::GiftIssued, "Your gift is ready", "It is paid, and you can see its code.");
            }
            GiftEvent::GiftDelivered(delivered) => self.delivered(event, delivered.channel),
            GiftEvent::GiftReminded(reminded) => {
                let body = format!("{} can be spent until {}.", reminded.available, reminded.expires_at.date_naive());
                self.tell_holder(event, Kind::GiftExpiresSoon, "A gift expires soon", &body);
            }
            GiftEvent::GiftActivated(activated) => {
                self.holder_id = Some(activated.activated_by);
                if activated.activated_by != self.buyer_id {
                    self.tell_buyer(
                        event,
                        Kind::GiftActivated,
                        "Your gift was taken",
                        "The recipient has activated it.",
                    );
                }
            }
            GiftEvent::GiftActivationReverted(reverted) => {
                self.holder_id = None;
                let body = "The dish could not be ordered. Activate the gift again, or convert it into its value.";
                self.tell(
                    event,
                    reverted.activated_by,
                    Kind::GiftActivationReverted,
                    "Your gift was not ordered",
                    body,
                );
            }
            // The holder is doing this right now, or hears of it with the order.
            GiftEvent::GiftConverted(_)
            | GiftEvent::GiftReserved(_)
            | GiftEvent::GiftRedeemed(_)
            | GiftEvent::GiftReservationReleased(_) => {}
            GiftEvent::GiftCredited(credited) => {
                let body =
                    format!("{} of an order came back; {} can be spent.", credited.amount, credited.available_after);
                self.tell_holder(event, Kind::GiftCredited, "Money is back on your gift", &body);
            }
            GiftEvent::GiftExpired(_) => {
                let body = "What nobody spent goes back to who bought it.";
                self.tell_holder(event, Kind::GiftExpired, "A gift has expired", body);
                if self.holder() != Some(self.buyer_id) {
                    self.tell_buyer(
                        event,
                        Kind::GiftExpired,
                        "Your gift has expired",
                        "What nobody spent comes back to you.",
                    );
                }
            }
            GiftEvent::GiftCancelled(cancelled) => self.cancelled(event, cancelled),
            // The buyer is told when the money arrives.
            GiftEvent::GiftRefundRequested(_) | GiftEvent::GiftRefundReverted(_) => {}
            GiftEvent::GiftRefundSettled(_) => {
                self.tell_buyer(event, Kind::RefundSettled, "Refund", "The money of your gift is on its way back.");
            }
            GiftEvent::GiftBlocked(_) => {
                self.tell_buyer(event, Kind::GiftBlocked, "Your gift is blocked", "Ask the support.");
            }
            GiftEvent::GiftUnblocked(_) => {
                self.tell_buyer(event, Kind::GiftUnblocked, "Your gift can be used again", "It was looked at.");
            }
        }
    }

    fn delivered(&mut self, event: &RecordedEvent, channel: DeliveryChannel) {
        match channel {
            DeliveryChannel::Feed => {
                self.tell_holder(event, Kind::GiftReceived, "You have a gift", "Somebody gave you something good.");
            }
            DeliveryChannel::Buyer => {
                self.tell_buyer(event, Kind::GiftToHandOver, "Hand your gift over", "It is time: pass its code on.");
            }
            DeliveryChannel::Email | DeliveryChannel::Sms => {
                self.tell_buyer(event, Kind::GiftDelivered, "Your gift was delivered", "The recipient was told.");
            }
        }
    }

    fn cancelled(&mut self, event: &RecordedEvent, cancelled: &GiftCancelled) {
        let body = match cancelled.from_status {
            GiftStatus::PendingPayment => "It was not paid.",
            GiftStatus::Issued
            | GiftStatus::Activated
            | GiftStatus::PartiallyRedeemed
            | GiftStatus::Redeemed
            | GiftStatus::Expired
            | GiftStatus::Cancelled => "Its money comes back to you.",
        };
        self.tell_buyer(event, Kind::GiftCancelled, "Gift cancelled", body);
    }

    /// Who took it, or whom it is meant for.
    fn holder(&self) -> Option<UserId> {
        self.holder_id.or(self.recipient_user_id)
    }

    fn tell_buyer(&mut self, event: &RecordedEvent, kind: Kind, title: &str, body: &str) {
        self.tell(event, self.buyer_id, kind, title, body);
    }

    fn tell_holder(&mut self, event: &RecordedEvent, kind: Kind, title: &str, body: &str) {
        if let Some(holder) = self.holder() {
            self.tell(event, holder, kind, title, body);
        }
    }

    fn tell(&mut self, event: &RecordedEvent, to: UserId, kind: Kind, title: &str, body: &str) {
        let (title, body, gift_id) = (title.to_owned(), body.to_owned(), Some(self.gift_id));
        let notification = Notification { kind, title, body, order_id: None, gift_id };
        self.entries.push(NewEntry::new(event, Recipient::User(to), EntryKind::Notification(notification)));
    }
}
