//! Disputes whose opening was cut short, and deadlines of what nobody answers.

use shared::domain::{
    DisputeId,
    dispute::{
        DisputeClaim, DisputeCommand, DisputePolicy, DisputeReason, DisputeStatus, OpenDispute, OpenedBy, Stance,
    },
    order::ClaimDispute,
};

use super::*;
use crate::{command_handler::NoAnswer, testing::KITCHEN};

fn claiming(order_id: OrderId) -> OrderCommand {
    OrderCommand::ClaimDispute(Box::new(ClaimDispute { order_id, claim: claim(), policy: OrderPolicy::default() }))
}

fn claim() -> DisputeClaim {
    DisputeClaim {
        reason_code: DisputeReason::Late,
        description_sealed: Some("sealed".to_owned()),
        claimed_amount: Some(Money::rub(5_000)),
        evidence: Vec::new(),
        appeal_of: None,
    }
}

/// A paid order that its cook took on, with its money at the bank.
async fn accepted(service: &Service, bank: &Bank, n: u128) -> (OrderId, PaymentId) {
    let (order_id, payment_id) = order(n);
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts(&format!("open {payment_id}")) == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 30 }).await;
    (order_id, payment_id)
}

async fn stands(service: &Service, dispute_id: DisputeId) -> Option<DisputeStatus> {
    service.process.disputes.load(dispute_id.0).await.unwrap()?.aggregate.status()
}

#[tokio::test]
async fn a_dispute_whose_opener_was_killed_is_opened_all_the_same() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, _) = accepted(&service, &bank, 1).await;
    drop(service);
    // Whoever opened it got as far as the claim.
    let killed = Process::start(&database).await;
    killed.order(submission(order_id.0, Actor::Customer(CUSTOMER), claiming(order_id))).await.unwrap();
    drop(killed);
    let service = Service::start(&database, &bank).await;
    let dispute_id = DisputeId::of_order(order_id, 1);
    until("it is open", async || stands(&service, dispute_id).await == Some(DisputeStatus::Open)).await;
    let dispute = service.process.disputes.load(dispute_id.0).await.unwrap().unwrap();
    assert_eq!(dispute.correlation_id, order_id.0, "it is of the order's flow");
    assert_eq!(dispute.aggregate.terms().unwrap().claimed, Money::rub(5_000));
    // The opener comes back and goes on where it was.
    let open = DisputeCommand::Open(Box::new(OpenDispute {
        dispute_id,
        order_id,
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        opened_by: OpenedBy::Customer,
        claim: claim(),
        refundable: Money::rub(PRICE_KOPECKS),
        policy: DisputePolicy::default(),
    }));
    let late = submission(dispute_id.0, Actor::Customer(CUSTOMER), open);
    service.process.disputes.execute(late, &NoAnswer).await.unwrap();
    assert_eq!(events(&database.db, "dispute_opened").await, 1);
}

#[tokio::test]
async fn a_dispute_whose_order_was_called_off_before_it_was_there_is_decided_at_once() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, _) = accepted(&service, &bank, 1).await;
    drop(service);
    let killed = Process::start(&database).await;
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    for (actor, command) in [(Actor::Customer(CUSTOMER), claiming(order_id)), (cook(), cancel)] {
        killed.order(submission(order_id.0, actor, command)).await.unwrap();
    }
    drop(killed);
    let service = Service::start(&database, &bank).await;
    let dispute_id = DisputeId::of_order(order_id, 1);
    until("it is decided", async || stands(&service, dispute_id).await == Some(DisputeStatus::Resolved)).await;
    until("its claim ends", async || events(&database.db, "order_payout_unfrozen").await == 1).await;
    until("the money is back", async || events(&database.db, "order_refund_settled").await == 1).await;
    assert_eq!(events(&database.db, "order_refund_authorized").await, 1, "nothing goes back twice");
}

/// Whoever is killed on the way is followed by another: claims are opened once, decided once, settled once.
#[tokio::test]
async fn killed_at_any_point_every_dispute_is_settled_once() {
    const ORDERS: u128 = 8;
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    for n in 0..ORDERS {
        accepted(&service, &bank, n).await;
    }
    drop(service);
    let people = Process::start(&database).await;
    let driver = async {
        for n in 0..ORDERS {
            let (order_id, _) = order(n);
            people.order(submission(order_id.0, Actor::Customer(CUSTOMER), claiming(order_id))).await.unwrap();
            let dispute_id = DisputeId::of_order(order_id, 1);
            until("the dispute is open", async || people.disputes.load(dispute_id.0).await.unwrap().is_some()).await;
            let give_in = submission(dispute_id.0, cook(), DisputeCommand::AcceptClaim);
            people.disputes.execute(give_in, &NoAnswer).await.unwrap();
        }
        let settled = async || events(&database.db, "order_refund_settled").await == i64::try_from(ORDERS).unwrap();
        until("all is settled", settled).await;
    };
    tokio::select! {
        () = driver => {}
        () = kill_one_after_the_other(&database, &bank) => {}
    }
    for name in ["dispute_opened", "dispute_resolved", "order_payout_unfrozen", "payment_refund_succeeded"] {
        assert_eq!(events(&database.db, name).await, i64::try_from(ORDERS).unwrap(), "{name}");
    }
    assert_eq!(bank.acts("refund"), ORDERS as usize);
}

#[tokio::test]
async fn a_dispute_nobody_decides_rings_once_and_a_cook_is_reminded_once() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (order_id, payment_id) = order(1);
    for command in [create(order_id), pay(order_id)] {
        service.order(order_id, Actor::Customer(CUSTOMER), command).await;
    }
    until("the page is open", async || bank.acts("open") == 1).await;
    service.tell(order_id, payment_id, ProviderStatus::Confirmed).await;
    until("the order is paid", async || service.status(order_id).await == Some(OrderStatus::Paid)).await;
    service.clock.advance(TimeDelta::minutes(2));
    until("the cook is reminded", async || events(&database.db, "order_producer_reminded").await == 1).await;
    service.order(order_id, cook(), OrderCommand::Accept { eta_minutes: 30 }).await;
    service.order(order_id, Actor::Customer(CUSTOMER), claiming(order_id)).await;
    let dispute_id = DisputeId::of_order(order_id, 1);
    until("it is open", async || stands(&service, dispute_id).await == Some(DisputeStatus::Open)).await;
    let (stance, policy) = (Stance::Contest, DisputePolicy::default());
    let answer = DisputeCommand::Respond { message_sealed: "sealed".to_owned(), stance, policy };
    let mut answer = submission(dispute_id.0, cook(), answer);
    answer.intent.now = service.clock.now();
    service.process.disputes.execute(answer, &NoAnswer).await.unwrap();
    service.clock.advance(TimeDelta::hours(72));
    until("the alarm rings", async || events(&database.db, "dispute_sla_breached").await == 1).await;
    service.clock.advance(TimeDelta::hours(72));
    let timers = async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM timers").fetch_one(&database.db).await.unwrap();
        left == 0
    };
    until("no timer is left", timers).await;
    assert_eq!(events(&database.db, "dispute_sla_breached").await, 1);
    assert_eq!(events(&database.db, "order_producer_reminded").await, 1);
}
