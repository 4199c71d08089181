//! What customers' banks do, and what two administrators make of it.

use std::collections::HashSet;

use serde_json::{Value, json};
use shared::domain::{DomainEvent, payment::PaymentEvent};
use uuid::Uuid;

use super::{Chance, Run};
use crate::harness::{complaint, id_of};

impl Run<'_> {
    /// The customer's bank takes all the money of a payment back, and an administrator writes that down.
    pub(super) async fn charge_back(&self, chance: &mut Chance) {
        let payments = self.things.payments.lock().clone();
        let Some(payment) = chance.pick(&payments) else { return };
        let admin = self.at(self.system.admin());
        let request = admin.request(reqwest::Method::GET, &format!("/api/v1/payments/{payment}"));
        let Ok(shown) = admin.try_send(request).await else { return };
        if shown.status != 200 || shown.data()["captured_amount"].is_null() {
            return;
        }
        let body = json!({ "amount": shown.data()["captured_amount"], "registry_ref": format!("CB-{payment}") });
        let path = format!("/api/v1/payments/{payment}/chargebacks");
        self.ask(self.system.admin(), &path, &body, chance).await;
    }

    /// An order is paid with held money and disputed before any cook has looked at it.
    pub(super) async fn dispute_held_money(&self, chance: &mut Chance) {
        let Some(order) = self.any_order(chance) else { return };
        let body = json!({ "return_url": "http://localhost:3000/paid", "capture_mode": "ON_ACCEPT" });
        let customer = || self.system.customer();
        let pay = format!("/api/v1/orders/{order}/payments");
        let Some(opened) = self.ask(customer(), &pay, &body, chance).await else { return };
        let payment = id_of(&opened.data()["payment_id"]);
        self.things.payments.lock().push(payment);
        self.ask(customer(), &format!("/api/v1/dev/fake/{payment}/complete"), &json!({}), chance).await;
        let claimed = [None, Some("50.00")][chance.below(2)];
        for _ in 0..3 {
            let path = format!("/api/v1/orders/{order}/disputes");
            if self.ask(customer(), &path, &complaint(claimed), chance).await.is_some() {
                return;
            }
        }
    }

    /// Two administrators find that what a bank took back was the refund that it overtook.
    pub(super) async fn clear_up(&self) {
        let mut overtaken: Vec<(Uuid, Uuid)> = Vec::new();
        let mut resolved = HashSet::new();
        for event in self.system.events().await {
            match event.event.as_ref().unwrap() {
                DomainEvent::Payment(PaymentEvent::PaymentRefundFailed(failed))
                    if failed.code.as_deref() == Some("taken_back_by_the_bank") =>
                {
                    overtaken.push((event.aggregate_id, failed.refund_id.0));
                }
                DomainEvent::Payment(PaymentEvent::PaymentRefundResolved(found)) => {
                    resolved.insert(found.refund_id.0);
                }
                _ => {}
            }
        }
        for (payment, refund) in overtaken.into_iter().filter(|(_, refund)| !resolved.contains(refund)) {
            let path = format!("/api/v1/payments/{payment}/refunds/{refund}/resolution");
            let body: Value = json!({ "finding": "DONE", "reason": "the chargeback is this refund" });
            for admin in [self.system.admin(), self.system.another_admin()] {
                let _ = self.at(admin).post_once(&path, &body, &Uuid::now_v7().to_string()).await;
            }
        }
    }
}
