//! What people do: customers, cooks, administrators, the customer's bank. Whatever they ask may be refused.

use command_service::payment_desk::PaymentDesk;
use shared::domain::{
    Actor, DishId, GiftId, Money, OrderId, PaymentId, ProducerId, RefundId, UserId,
    gift::{Gift, GiftCommand, GiftPolicy, ReserveGift, ReservePurpose},
    order::{
        AuthorizeRefund, CreateOrder, DeliveryType, Fault, GiftUse, Order, OrderCommand, OrderGift, ProducerSnapshot,
        RefundAmount, RefundSource, RejectReason, RequestPayment, RequestedLine,
    },
    payment::{
        BankAct, CaptureMode, EvidenceSource, Payment, PaymentCommand, Provider, ProviderChoice, ProviderReport,
        ProviderStatus,
    },
};
use uuid::Uuid;

use crate::{
    bank::Notification,
    gifts,
    rng::Rng,
    world::{Answer, World},
};

pub const CUSTOMER: UserId = UserId(Uuid::from_u128(1));
const COOK: UserId = UserId(Uuid::from_u128(2));
pub const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(3));
pub const ADMIN: UserId = UserId(Uuid::from_u128(4));
const DISH: DishId = DishId(Uuid::from_u128(5));
/// A dish of which there are few portions.
pub const LIMITED: DishId = DishId(Uuid::from_u128(7));

pub fn customer() -> Actor {
    Actor::Customer(CUSTOMER)
}

pub fn cook() -> Actor {
    Actor::Producer { producer_id: KITCHEN, user_id: COOK }
}

pub fn admin() -> Actor {
    Actor::Admin(ADMIN)
}

/// One of the ids there are.
pub fn any<T>(of: &std::collections::BTreeMap<Uuid, T>, rng: &mut Rng) -> Option<Uuid> {
    let ids: Vec<Uuid> = of.keys().copied().collect();
    (!ids.is_empty()).then(|| rng.pick(&ids))
}

impl World {
    /// Places an order, perhaps with a gift's share.
    pub fn place(&mut self, rng: &mut Rng) {
        let line = self.wanted(rng);
        let kopecks = line.unit_price.minor() * i64::from(line.quantity);
        let order_id = OrderId(self.fresh_id());
        let gift_id = any(&self.gifts, rng).filter(|_| rng.percent(70)).map(GiftId);
        let gift = gift_id.and_then(|gift_id| {
            let wanted = Some(Money::rub(rng.pick(&[5_000, kopecks / 2, kopecks]))).filter(|_| rng.percent(60));
            self.reserve(gift_id, order_id, Money::rub(kopecks), wanted)
        });
        // The process dies between the two: the reservation's time will end it.
        if gift.is_some() && rng.percent(10) {
            return;
        }
        let create = CreateOrder {
            order_id,
            customer_id: CUSTOMER,
            producer: kitchen(),
            lines: vec![line],
            delivery_type: DeliveryType::Building,
            requested_for: None,
            expected_total: None,
            pii_sealed: None,
            gift,
            policy: self.policies.order,
        };
        let from = self.by_somebody(customer(), order_id.0);
        self.submit::<Order>(order_id.0, &from, OrderCommand::Create(Box::new(create)));
    }

    /// Of a dish with a limit, now and then; what was left of it when somebody looked may be gone.
    fn wanted(&self, rng: &mut Rng) -> RequestedLine {
        let unit_price = Money::rub(rng.pick(&[10_000, 30_000, 70_000]));
        let (dish_id, quantity) = if rng.percent(50) { (LIMITED, rng.pick(&[1, 1, 2])) } else { (DISH, 1) };
        let portions_left = self.pots.left(dish_id).map(|left| if rng.percent(70) { left } else { 3 });
        RequestedLine {
            dish_id,
            dish_name: "borscht".into(),
            unit_price,
            quantity,
            price_version: 1,
            available: true,
            producer_id: KITCHEN,
            portions_left,
        }
    }

    fn reserve(
        &mut self,
        gift_id: GiftId,
        order_id: OrderId,
        total: Money,
        wanted: Option<Money>,
    ) -> Option<OrderGift> {
        let payment_deadline = self.clock.now() + self.policies.order.payment_window;
        let reservation_id = gift_id.reservation_for(order_id);
        let request = ReserveGift {
            reservation_id,
            order_id,
            customer_id: CUSTOMER,
            code_ref: None,
            purpose: ReservePurpose::Order { wanted },
            total,
            payment_deadline,
            policy: GiftPolicy::default(),
        };
        let from = self.by_somebody(Actor::system("orders"), gift_id.0);
        if self.submit::<Gift>(gift_id.0, &from, GiftCommand::Reserve(request)) == Answer::No {
            return None;
        }
        let usages = self.gifts.get(&gift_id.0)?.state.usage(reservation_id)?;
        let share = GiftUse { gift_id, reservation_id, amount: usages.amount };
        let reserved_until = payment_deadline + GiftPolicy::default().reservation_grace;
        Some(OrderGift { share, reserved_until, locked_delivery_fee: None })
    }

    /// Somebody asks something of an order.
    pub fn ask_order(&mut self, rng: &mut Rng) {
        let Some(id) = any(&self.orders, rng) else { return };
        let policy = self.policies.order;
        let capture_mode = if id.as_u128() % 3 == 0 { CaptureMode::OnAccept } else { CaptureMode::OnPayment };
        let (actor, command) = match rng.below(24) {
            0..8 => {
                let (order_id, return_url) = (OrderId(id), "https://shop.test".to_owned());
                let capture_mode = Some(capture_mode);
                let provider = ProviderChoice::own(Provider::DevFake);
                let request = RequestPayment { order_id, provider, return_url, capture_mode, policy };
                (customer(), OrderCommand::RequestPayment(request))
            }
            8..11 => (cook(), OrderCommand::Accept { eta_minutes: 30 }),
            11 => (cook(), OrderCommand::Reject { reason_code: RejectReason::TooBusy, comment: None }),
            12 | 13 => (cook(), OrderCommand::StartPreparation { note: None }),
            14 | 15 => (cook(), OrderCommand::MarkReady { note: None }),
            16 => (cook(), OrderCommand::Dispatch { note: None }),
            17 => (cook(), OrderCommand::MarkDelivered { proof_ref: None, policy }),
            18 => (customer(), OrderCommand::Complete { policy }),
            19 => {
                let actor = rng.pick(&[0, 1, 2]);
                let actor = [customer(), cook(), admin()][actor].clone();
                (actor, OrderCommand::Cancel { reason_code: None, reason_text: None })
            }
            _ => (admin(), refund(self, rng)),
        };
        let from = self.by_somebody(actor, id);
        self.submit::<Order>(id, &from, command);
    }

    /// The cook goes on, so that sequences reach the end of an order.
    pub fn cook_on(&mut self, rng: &mut Rng) {
        let Some(id) = any(&self.orders, rng) else { return };
        let policy = self.policies.order;
        for command in [
            OrderCommand::Accept { eta_minutes: 30 },
            OrderCommand::StartPreparation { note: None },
            OrderCommand::MarkReady { note: None },
            OrderCommand::Dispatch { note: None },
            OrderCommand::MarkDelivered { proof_ref: None, policy },
        ] {
            let from = self.by_somebody(cook(), id);
            self.submit::<Order>(id, &from, command);
        }
        if rng.percent(50) {
            let from = self.by_somebody(customer(), id);
            self.submit::<Order>(id, &from, OrderCommand::Complete { policy });
        }
    }

    /// The bank's news, if any come through.
    pub async fn hear(&mut self, rng: &mut Rng) {
        let Some(news) = self.bank.take_news(rng) else { return };
        self.take_in(news).await;
    }

    /// News that move money are asked about before they are believed.
    pub async fn take_in(&mut self, news: Notification) {
        let Some(held) = self.payments.get(&news.payment_id.0) else { return };
        let (flow, desk) = (held.flow, self.desk.clone());
        let report = if moves_money(news.status) {
            let confirmed = desk.confirm(Provider::DevFake, &news.provider_payment_id, Uuid::nil()).await;
            let Ok(Some(report)) = confirmed else { return };
            report
        } else {
            heard(&news)
        };
        self.tell(news.payment_id, flow, desk.told(report));
    }

    /// Asks the bank where a payment stands, as the reconciler does.
    pub async fn poll(&mut self, payment_id: Uuid) {
        let Some(held) = self.payments.get(&payment_id) else { return };
        let (payment, flow, desk): (Payment, Uuid, PaymentDesk) = (held.state.clone(), held.flow, self.desk.clone());
        if let Ok(Some(command)) = desk.ask(&payment, Uuid::nil()).await {
            self.tell(PaymentId(payment_id), flow, command);
        }
    }

    fn tell(&mut self, payment_id: PaymentId, flow: Uuid, command: PaymentCommand) {
        let from = self.by_somebody(Actor::Provider("DEV_FAKE".into()), flow);
        let from = crate::world::From { leaves_receipt: false, ..from };
        self.submit::<Payment>(payment_id.0, &from, command);
    }

    pub async fn poll_any(&mut self, rng: &mut Rng) {
        if let Some(id) = any(&self.payments, rng) {
            self.poll(id).await;
        }
    }

    /// The customer's bank takes money back; an administrator writes it down, sooner or later.
    pub fn charge_back(&mut self, rng: &mut Rng) {
        if let Some(act) = self.bank.charge_back(rng) {
            self.registry.push(act);
        }
    }

    /// What the registry of the bank says is written down.
    pub fn import(&mut self) {
        for (payment_id, amount, registry_ref) in std::mem::take(&mut self.registry) {
            let flow = self.payments.get(&payment_id.0).map(|held| held.flow).unwrap_or_default();
            let from = self.by_somebody(admin(), flow);
            let act = BankAct { amount, registry_ref: registry_ref.clone() };
            if self.submit::<Payment>(payment_id.0, &from, PaymentCommand::RecordChargeback(act)) == Answer::No {
                self.registry.push((payment_id, amount, registry_ref));
            }
        }
    }

    /// A gift's time passes.
    pub fn expire(&mut self, rng: &mut Rng) {
        if let Some(id) = any(&self.gifts, rng) {
            self.clock.advance(chrono::TimeDelta::days(366));
            gifts::expire(self, id);
        }
    }
}

fn kitchen() -> ProducerSnapshot {
    ProducerSnapshot {
        producer_id: KITCHEN,
        owner_user_id: COOK,
        active: true,
        open_now: true,
        delivery_types: vec![DeliveryType::Building],
        delivery_fee: Money::rub(0),
        commission_bps: 1_000,
    }
}

fn refund(world: &mut World, rng: &mut Rng) -> OrderCommand {
    // The same administrator asks for the same refund again, or for another one.
    let source_id = Uuid::from_u128(100 + rng.below(3) as u128);
    let amount = RefundAmount::Exactly(Money::rub(rng.pick(&[1_000, 5_000, 30_000, 70_000])));
    let refund_id = RefundId(Uuid::new_v5(&source_id, &world.orders.len().to_be_bytes()));
    let fault = rng.pick(&[Fault::Producer, Fault::Platform, Fault::None]);
    OrderCommand::AuthorizeRefund(AuthorizeRefund { refund_id, source: RefundSource::Admin, source_id, amount, fault })
}

fn moves_money(status: ProviderStatus) -> bool {
    matches!(
        status,
        ProviderStatus::Authorized
            | ProviderStatus::Confirming
            | ProviderStatus::Confirmed
            | ProviderStatus::Refunding
            | ProviderStatus::PartiallyRefunded
            | ProviderStatus::Refunded
    )
}

fn heard(news: &Notification) -> ProviderReport {
    ProviderReport {
        provider_payment_id: news.provider_payment_id.clone(),
        order_ref: news.order_ref.clone(),
        status: news.status,
        provider_word: "WORD".into(),
        amount: Some(news.amount),
        source: EvidenceSource::Webhook,
        error_code: None,
        customer_retryable: true,
    }
}
