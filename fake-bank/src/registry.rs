//! The daily registry: what was done, line by line.

use std::fmt::Write;

use crate::{FakeBank, Refused};

impl FakeBank {
    /// Everything that was ever done, as CSV.
    pub fn registry(&self) -> String {
        let mut text = "registry_ref,operation,order_id,amount,external_request_id\n".to_owned();
        for payment in self.payments() {
            let mut line = |name: String, operation: &str, kopecks: i64, external: &str| {
                let (roubles, kopecks) = (kopecks / 100, kopecks % 100);
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{name},{operation},{},{roubles}.{kopecks:02},{external}", payment.order_id);
            };
            if payment.captured > 0 {
                line(format!("p-{}", payment.id), "PAYMENT", payment.captured, "");
            }
            for (number, act) in payment.acts.iter().enumerate() {
                let name = act.name.as_deref().unwrap_or_default();
                line(format!("r-{}-{number}", payment.id), "REFUND", act.amount, name);
            }
            for (number, amount) in payment.chargebacks.iter().enumerate() {
                line(format!("c-{}-{number}", payment.id), "CHARGEBACK", *amount, "");
            }
        }
        text
    }

    /// The customer's bank takes money back.
    pub fn charge_back(&self, order_ref: &str, amount: i64) -> Result<(), Refused> {
        let mut books = self.books();
        let payment = books.newest(order_ref).ok_or(Refused::Unknown)?;
        if amount <= 0 || payment.captured == 0 {
            return Err(Refused::NotNow(payment.status.clone()));
        }
        payment.chargebacks.push(amount);
        Ok(())
    }
}
