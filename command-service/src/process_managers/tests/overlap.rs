//! Two processes that both think to lead: the one that lost its office notices a moment after the other won it.

use shared::domain::payment::{NextRefund, RefundState};
use shared::log::LogReader;
use tokio::sync::Barrier;

use super::*;

/// A bank that knows no names: a refund is announced before it is sent, and both processes come to that together.
struct Nameless {
    both: Barrier,
    sent: Mutex<u32>,
}

#[async_trait]
impl Effects for Nameless {
    async fn perform(
        &self,
        effect: Effect,
        payment: &Payment,
        _: &Cause,
        run: &mut EffectRun,
    ) -> Result<Vec<PaymentCommand>, Duration> {
        let Effect::Refund(_) = effect else { return Ok(Vec::new()) };
        let in_flight = payment.in_flight_refund().map(|refund| (refund.refund_id, refund.state));
        if let Some((refund_id, RefundState::Submitted { epoch })) = in_flight {
            if run.announced == Some((refund_id, epoch)) {
                *self.sent.lock() += 1;
                let outcome = RefundOutcome::Succeeded;
                return Ok(vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome }]);
            }
            return Ok(Vec::new());
        }
        let Some(NextRefund { refund_id, epoch, .. }) = payment.next_refund(now()) else { return Ok(Vec::new()) };
        self.both.wait().await;
        run.announced = Some((refund_id, epoch));
        Ok(vec![PaymentCommand::RecordRefundResult { refund_id, epoch, outcome: RefundOutcome::Submitted }])
    }
}

#[tokio::test]
async fn a_refund_that_both_announce_is_sent_by_one() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let (order_id, payment_id) = order(1);
    let service = Service::start(&database, &bank).await;
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
    until("the money is its", async || events(&database.db, "payment_applied").await == 1).await;
    bank.silent.lock().push(payment_id);
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    service.order(order_id, Actor::Customer(CUSTOMER), cancel).await;
    until("the refund is asked for", async || events(&database.db, "payment_refund_requested").await == 1).await;
    drop(service);

    let log = LogReader::new(database.db.clone()).page(0, 1_000).await.unwrap();
    let requested = log.into_iter().find(|event| event.event_type == "payment_refund_requested").unwrap();
    let requested = Arc::new(requested);
    let nameless = Arc::new(Nameless { both: Barrier::new(2), sent: Mutex::default() });
    let (one, other) = (Process::start(&database).await, Process::start(&database).await);
    let executors = [&one, &other].map(|process| {
        let effects: Arc<dyn Effects> = Arc::<Nameless>::clone(&nameless);
        Executor { effects, ..executor(process, &Clock::stopped_at(now()), &bank) }
    });
    let reacting = executors.each_ref().map(|executor| {
        let (executor, event) = (executor.clone(), Arc::clone(&requested));
        tokio::spawn(async move { executor.react(&event, false).await })
    });
    until("it went back", async || events(&database.db, "payment_refund_succeeded").await == 1).await;
    until("one leaves it to the other", async || executors.iter().any(|executor| executor.turns.resting() == 1)).await;
    assert_eq!(*nameless.sent.lock(), 1);
    reacting.iter().for_each(tokio::task::JoinHandle::abort);
}
