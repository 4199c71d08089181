//! The bank's pages: what the development routes do as the customer or as a clerk.

use std::time::Duration;

use shared::domain::PaymentId;
use tokio::time::Instant;

use super::{
    Delivery, DevFake, Notice,
    account::{Account, Page},
    books::{Absent, Lost},
};
use crate::providers::PaymentState;

/// Why nothing was done on the bank's page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The bank never heard of the payment.
    #[error("the bank knows no such payment")]
    UnknownPayment,
    /// The payment is past that.
    #[error("the payment is {word} at the bank")]
    IllegalState {
        /// The bank's word.
        word: &'static str,
    },
    /// The books could not be written.
    #[error("the bank's books cannot be written just now")]
    BooksClosed,
}

/// What the bank holds of a payment, to compare our own ledger with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BankBalance {
    /// Everything taken or held, in minor units.
    pub taken_minor: i64,
    /// What went back, in minor units.
    pub returned_minor: i64,
    /// Acts of calling off or giving back.
    pub acts: usize,
}

/// How long the books may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl DevFake {
    /// The customer pays on the newest page.
    pub async fn complete(&self, payment_id: PaymentId, delivery: Delivery) -> Result<PaymentState, ControlError> {
        let now = self.clock.now();
        self.act(payment_id, delivery, |page| page.complete(delivery.reorder, now)).await
    }

    /// The bank says no to the customer.
    pub async fn decline(&self, payment_id: PaymentId, delivery: Delivery) -> Result<PaymentState, ControlError> {
        let now = self.clock.now();
        self.act(payment_id, delivery, |page| page.decline(now)).await
    }

    /// The newest page dies before its time, or the hold runs out.
    pub async fn expire(&self, payment_id: PaymentId, delivery: Delivery) -> Result<PaymentState, ControlError> {
        let now = self.clock.now();
        self.act(payment_id, delivery, |page| page.expire(now)).await
    }

    /// A clerk gives everything back that is left, without being asked by us.
    pub async fn refund(&self, payment_id: PaymentId, delivery: Delivery) -> Result<PaymentState, ControlError> {
        self.act(payment_id, delivery, Page::refund_in_the_cabinet).await
    }

    /// What the bank holds of a payment, over all its pages.
    pub async fn balance(&self, payment_id: PaymentId) -> Result<BankBalance, ControlError> {
        let sum = |account: &Account| {
            account.pages.iter().fold(BankBalance::default(), |sum, page| BankBalance {
                taken_minor: sum.taken_minor + page.taken_minor,
                returned_minor: sum.returned_minor + page.taken_minor - page.left_minor(),
                acts: sum.acts + page.acts.len(),
            })
        };
        Ok(self.books.look(Instant::now() + PATIENCE, payment_id.0, sum).await?)
    }

    async fn act(
        &self,
        payment_id: PaymentId,
        delivery: Delivery,
        act: impl Fn(&mut Page) -> Result<Vec<Notice>, ControlError>,
    ) -> Result<PaymentState, ControlError> {
        let deadline = Instant::now() + PATIENCE;
        let now = self.clock.now();
        let on_newest_page = |account: &mut Account| {
            let page = account.pages.last_mut().ok_or(ControlError::UnknownPayment)?;
            let notices = act(page)?;
            Ok::<_, ControlError>((page.state(now), notices, page.scenario))
        };
        let done = self.books.change(deadline, payment_id.0, Absent::LookUp, on_newest_page).await?;
        let (state, notices, scenario) = done?;
        let deliveries = delivery.webhooks.unwrap_or(scenario.deliveries());
        self.messenger.tell(notices, deliveries, delivery.delay).await;
        Ok(state)
    }
}

impl From<Lost> for ControlError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unknown => Self::UnknownPayment,
            Lost::NotDone | Lost::Unconfirmed => Self::BooksClosed,
        }
    }
}
