//! Gifts: bought, spent, expired and given back, whoever is killed on the way.

use shared::domain::{
    GiftId, UserId,
    gift::{
        ActivateGift, Gift, GiftCommand, GiftStatus, GiftWish, Pot, PurchaseGift, ReleaseCause, ReserveGift,
        ReservePurpose,
    },
    order::{GiftUse, OrderGift},
    payment::{Provider, ProviderChoice},
};

use super::*;
use crate::command_handler::NoAnswer;

const HOLDER: UserId = CUSTOMER;
const BUYER: UserId = UserId(Uuid::from_u128(77));

/// What the gifts are worth: the bank of these tests brings just that, and an order costs it.
fn value() -> Money {
    Money::rub(PRICE_KOPECKS)
}

fn gift(n: u128) -> (GiftId, PaymentId) {
    let gift_id = GiftId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0001_0000 + n));
    (gift_id, PaymentId::of_gift_attempt(gift_id, 1))
}

async fn ask(process: &Process, gift_id: GiftId, actor: Actor, at: DateTime<Utc>, command: GiftCommand) -> Gift {
    let mut asked = submission(gift_id.0, actor, command);
    asked.intent.now = at;
    match process.gifts.execute(asked, &NoAnswer).await.unwrap() {
        crate::command_handler::Handled::Done(done) => done.aggregate,
        crate::command_handler::Handled::Replayed(_) => panic!("replayed"),
    }
}

async fn buy(process: &Process, gift_id: GiftId) {
    let purchase = PurchaseGift {
        gift_id,
        buyer_id: BUYER,
        wish: GiftWish::Amount(value()),
        recipient_user_id: None,
        deliver_at: None,
        pii_sealed: None,
        return_url: "http://localhost/paid".to_owned(),
        provider: ProviderChoice::own(Provider::DevFake),
        policy: GiftPolicy::default(),
    };
    ask(process, gift_id, Actor::Customer(BUYER), now(), GiftCommand::Purchase(Box::new(purchase))).await;
}

async fn state(process: &Process, gift_id: GiftId) -> Gift {
    process.gifts.load(gift_id.0).await.unwrap().unwrap().aggregate
}

/// The bank says that the payment is there.
async fn told(process: &Process, payment_id: PaymentId) {
    until("the page is open", async || {
        let payment = process.payments.load(payment_id.0).await.unwrap();
        payment.is_some_and(|payment| payment.aggregate.session().is_some())
    })
    .await;
    let confirmed = report(payment_id, ProviderStatus::Confirmed);
    let news = submission(payment_id.0, Actor::Provider("bank".to_owned()), confirmed);
    process.payments.execute(news, &NoAnswer).await.unwrap();
}

async fn issued(process: &Process, gift_id: GiftId, payment_id: PaymentId) {
    told(process, payment_id).await;
    until("the gift has its code", async || state(process, gift_id).await.status() == Some(GiftStatus::Issued)).await;
}

async fn activate(process: &Process, gift_id: GiftId) {
    let code_ref = state(process, gift_id).await.issue().map(|issue| issue.code_ref.clone());
    let activate = GiftCommand::Activate(Box::new(ActivateGift { gift_id, code_ref, delivery: None }));
    ask(process, gift_id, Actor::Customer(HOLDER), now(), activate).await;
}

/// A gift that was bought, paid and taken.
async fn taken(process: &Process) -> GiftId {
    let (gift_id, payment_id) = gift(1);
    buy(process, gift_id).await;
    issued(process, gift_id, payment_id).await;
    activate(process, gift_id).await;
    gift_id
}

/// An order that costs more than the gift holds for it, and that nobody has paid the rest of.
async fn half_paid(process: &Process, gift_id: GiftId) -> OrderId {
    let (order_id, _) = order(1);
    let mut share = reserve(process, gift_id, order_id).await;
    share.share.amount = Money::rub(PRICE_KOPECKS - 1_000);
    place(process, order_id, share).await;
    order_id
}

async fn call_off(process: &Process, order_id: OrderId) {
    let cancel = OrderCommand::Cancel { reason_code: None, reason_text: None };
    process.order(submission(order_id.0, Actor::Customer(CUSTOMER), cancel)).await.unwrap();
}

async fn share_is_free(process: &Process, gift_id: GiftId) {
    until("the share is free", async || pots(process, gift_id).await == [PRICE_KOPECKS, 0, 0, 0, 0]).await;
}

/// The first of the two steps of an order with a gift.
async fn reserve(process: &Process, gift_id: GiftId, order_id: OrderId) -> OrderGift {
    let reserve = ReserveGift {
        reservation_id: gift_id.reservation_for(order_id),
        order_id,
        customer_id: HOLDER,
        code_ref: None,
        purpose: ReservePurpose::Order { wanted: None },
        total: value(),
        payment_deadline: now() + OrderPolicy::default().payment_window,
        policy: GiftPolicy::default(),
    };
    ask(process, gift_id, Actor::system("gift_use"), now(), GiftCommand::Reserve(reserve)).await;
    let reservation_id = gift_id.reservation_for(order_id);
    let reserved_until = now() + TimeDelta::minutes(100);
    OrderGift { share: GiftUse { gift_id, reservation_id, amount: value() }, reserved_until, locked_delivery_fee: None }
}

async fn place(process: &Process, order_id: OrderId, gift: OrderGift) {
    let OrderCommand::Create(mut create) = create(order_id) else { panic!("not a create") };
    create.gift = Some(gift);
    let command = OrderCommand::Create(create);
    process.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
}

async fn pots(process: &Process, gift_id: GiftId) -> [i64; 5] {
    let purse = state(process, gift_id).await.purse().unwrap();
    Pot::ALL.map(|pot| purse.amount(pot).minor())
}

/// Bought, paid, taken, spent for an order that the cook refuses, and the share is back: each step once.
#[tokio::test]
async fn killed_at_any_point_a_gift_is_issued_spent_and_credited_once() {
    const GIFTS: u128 = 12;
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let people = Process::start(&database).await;
    for n in 0..GIFTS {
        buy(&people, gift(n).0).await;
    }
    let driver = async {
        for n in 0..GIFTS {
            let ((gift_id, payment_id), (order_id, _)) = (gift(n), order(n));
            issued(&people, gift_id, payment_id).await;
            activate(&people, gift_id).await;
            let share = reserve(&people, gift_id, order_id).await;
            place(&people, order_id, share).await;
            until("the gift has paid the order", async || {
                let order = people.orders.load(order_id.0).await.unwrap().unwrap();
                order.aggregate.status() == Some(OrderStatus::Paid)
            })
            .await;
            let reason_code = shared::domain::order::RejectReason::TooBusy;
            let reject = OrderCommand::Reject { reason_code, comment: None };
            people.order(submission(order_id.0, cook(), reject)).await.unwrap();
        }
        until("all of it is back", async || {
            events(&database.db, "order_refund_settled").await == i64::try_from(GIFTS).unwrap()
        })
        .await;
    };
    tokio::select! {
        () = driver => {}
        () = kill_one_after_the_other(&database, &bank) => {}
    }
    let gifts = i64::try_from(GIFTS).unwrap();
    for name in [
        "gift_created",
        "payment_initiated",
        "gift_issued",
        "payment_applied",
        "gift_activated",
        "gift_reserved",
        "order_paid",
        "gift_redeemed",
        "order_refund_authorized",
        "gift_credited",
        "order_refund_settled",
    ] {
        assert_eq!(events(&database.db, name).await, gifts, "{name}");
    }
    for n in 0..GIFTS {
        assert_eq!(pots(&people, gift(n).0).await, [PRICE_KOPECKS, 0, 0, 0, 0]);
    }
    assert_eq!(bank.acts("refund"), 0, "no gift turns into money on a card");
}

#[tokio::test]
async fn a_share_whose_order_was_never_placed_comes_free_when_its_time_is_over() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let gift_id = taken(&service.process).await;
    // Killed between the two steps.
    let share = reserve(&service.process, gift_id, order(1).0).await;
    drop(service);
    let service = Service::start_at(&database, &bank, now() + TimeDelta::minutes(99)).await;
    service.clock.advance(TimeDelta::seconds(30));
    assert_eq!(pots(&service.process, gift_id).await, [0, PRICE_KOPECKS, 0, 0, 0], "not before its time");
    service.clock.advance(TimeDelta::minutes(1));
    share_is_free(&service.process, gift_id).await;
    // Whoever comes back after all that time finds that the share is no good for an order any more.
    let OrderCommand::Create(mut late) = create(order(1).0) else { panic!("not a create") };
    late.gift = Some(share);
    let mut late = submission(order(1).0.0, Actor::Customer(CUSTOMER), OrderCommand::Create(late));
    late.intent.now = service.clock.now();
    assert!(service.process.order(late).await.is_err());
}

#[tokio::test]
async fn a_share_of_an_order_that_can_still_be_paid_is_looked_at_again() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let gift_id = taken(&service.process).await;
    let order_id = half_paid(&service.process, gift_id).await;
    // The rest is not paid when the share's time is over.
    sqlx::query("DELETE FROM timers WHERE kind = 'order_payment_deadline'").execute(&database.db).await.unwrap();
    service.clock.advance(TimeDelta::minutes(101));
    let armed = "SELECT due_at FROM timers WHERE kind = 'gift_reservation_ttl'";
    until("it is looked at again later", async || {
        let due: Vec<DateTime<Utc>> = sqlx::query_scalar(armed).fetch_all(&database.db).await.unwrap();
        due.iter().any(|due| *due > now() + TimeDelta::minutes(105))
    })
    .await;
    assert_eq!(events(&database.db, "gift_reservation_released").await, 0);
    call_off(&service.process, order_id).await;
    share_is_free(&service.process, gift_id).await;
}

#[tokio::test]
async fn what_nobody_spent_goes_back_to_the_card_when_the_gift_expires() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (gift_id, payment_id) = gift(1);
    buy(&service.process, gift_id).await;
    issued(&service.process, gift_id, payment_id).await;
    until("the buyer was told", async || events(&database.db, "gift_delivered").await == 1).await;
    service.clock.advance(TimeDelta::days(340));
    until("the holder is reminded", async || events(&database.db, "gift_reminded").await == 1).await;
    service.clock.advance(TimeDelta::days(19));
    until("and again", async || events(&database.db, "gift_reminded").await == 2).await;
    service.clock.advance(TimeDelta::days(7));
    until("the money is back", async || pots(&service.process, gift_id).await == [0, 0, 0, 0, PRICE_KOPECKS]).await;
    assert_eq!(bank.acts("refund"), 1);
    assert_eq!(events(&database.db, "gift_expired").await, 1);
}

#[tokio::test]
async fn money_that_comes_after_the_gift_was_called_off_goes_back() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let (gift_id, payment_id) = gift(1);
    buy(&service.process, gift_id).await;
    until("the page is open", async || bank.acts("open") == 1).await;
    service.clock.advance(TimeDelta::minutes(31));
    until("the gift is called off", async || {
        state(&service.process, gift_id).await.status() == Some(GiftStatus::Cancelled)
    })
    .await;
    told(&service.process, payment_id).await;
    until("the money is back", async || bank.acts("refund") == 1).await;
    assert_eq!(events(&database.db, "gift_issued").await, 0);
}

#[tokio::test]
async fn a_cancelled_order_gives_its_share_up() {
    let database = TestDatabase::new().await;
    let bank = Bank::default();
    let service = Service::start(&database, &bank).await;
    let gift_id = taken(&service.process).await;
    let order_id = half_paid(&service.process, gift_id).await;
    call_off(&service.process, order_id).await;
    share_is_free(&service.process, gift_id).await;
    let causes: Vec<String> =
        sqlx::query_scalar("SELECT payload ->> 'cause' FROM events WHERE event_type = 'gift_reservation_released'")
            .fetch_all(&database.db)
            .await
            .unwrap();
    assert_eq!(causes, [serde_json::to_value(ReleaseCause::OrderCancelled).unwrap().as_str().unwrap()]);
}
