//! Taking an order on: everything that is agreed is decided here, once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Decision, text::check_range};
use crate::domain::{
    Actor, Money, Portion,
    order::{
        CreateOrder, DeliveryType, OrderCreated, OrderError, OrderItem, PriceSource, ProducerSnapshot, RequestedLine,
    },
};

const LINES_MAX: u32 = 20;
const QUANTITY_MAX: u32 = 99;

pub(super) fn place(request: &CreateOrder, actor: &Actor, now: DateTime<Utc>) -> Decision {
    if let Actor::Customer(user_id) = actor
        && *user_id != request.customer_id
    {
        return Err(OrderError::PermissionDenied);
    }
    let mut created = agree(request, now)?;
    if let Some(gift) = &request.gift {
        // A reservation that may be given up while the order still waits for money would pay with nothing.
        if gift.reserved_until < created.payment_deadline {
            return Err(OrderError::GiftReservationOver);
        }
        created.amount_due = created.total_price.sub(gift.share.amount)?;
        if !gift.share.amount.is_positive() || created.amount_due.minor() < 0 {
            return Err(OrderError::InvalidValue { pointer: "/gift_amount" });
        }
        created.gift = Some(gift.share.clone());
    }
    check_due(request, created.amount_due)?;
    Ok(vec![created.into()])
}

/// What the order costs, if it may be placed: asked before a gift's share of it is reserved.
pub(in crate::domain::order) fn quote(request: &CreateOrder, now: DateTime<Utc>) -> Result<Money, OrderError> {
    agree(request, now).map(|created| created.total_price)
}

fn agree(request: &CreateOrder, now: DateTime<Utc>) -> Result<OrderCreated, OrderError> {
    check_form(request, now)?;
    check_kitchen(request)?;
    check_dishes(&request.lines)?;
    let created = price(request, now)?;
    check_total(request, created.total_price)?;
    Ok(created)
}

fn check_form(request: &CreateOrder, now: DateTime<Utc>) -> Result<(), OrderError> {
    check_range(u32::try_from(request.lines.len()).unwrap_or(u32::MAX), "/items", 1, LINES_MAX)?;
    for line in &request.lines {
        check_range(line.quantity, "/items", 1, QUANTITY_MAX)?;
    }
    match request.requested_for {
        Some(wanted) if wanted <= now || wanted - now > request.policy.preorder_ahead => {
            Err(OrderError::InvalidValue { pointer: "/requested_for" })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_kitchen(request: &CreateOrder) -> Result<(), OrderError> {
    let producer = &request.producer;
    if !producer.active {
        return Err(OrderError::ProducerInactive);
    }
    if !producer.open_now {
        return Err(OrderError::ProducerClosed);
    }
    if request.lines.iter().any(|line| line.producer_id != producer.producer_id) {
        return Err(OrderError::MixedProducers);
    }
    if producer.owner_user_id == request.customer_id {
        return Err(OrderError::SelfPurchase);
    }
    if !producer.delivery_types.contains(&request.delivery_type) {
        return Err(OrderError::DeliveryTypeUnsupported);
    }
    Ok(())
}

fn check_dishes(lines: &[RequestedLine]) -> Result<(), OrderError> {
    if lines.iter().any(|line| !line.available) {
        return Err(OrderError::DishUnavailable);
    }
    // Two lines may name one dish: they eat from the same pot.
    let mut wanted = BTreeMap::new();
    for line in lines {
        let portions: &mut i64 = wanted.entry(line.dish_id).or_default();
        *portions += i64::from(line.quantity);
        if line.portions_left.is_some_and(|left| *portions > left) {
            return Err(OrderError::InsufficientPortions);
        }
    }
    Ok(())
}

/// What the order takes of dishes with a limit, each dish once.
fn portions_taken(lines: &[RequestedLine]) -> Vec<Portion> {
    let mut taken = BTreeMap::new();
    for line in lines.iter().filter(|line| line.portions_left.is_some()) {
        *taken.entry(line.dish_id).or_default() += line.quantity;
    }
    taken.into_iter().map(|(dish_id, quantity)| Portion { dish_id, quantity }).collect()
}

/// Freezes prices, names and commission.
fn price(request: &CreateOrder, now: DateTime<Utc>) -> Result<OrderCreated, OrderError> {
    let locked_fee = request.gift.as_ref().and_then(|gift| gift.locked_delivery_fee);
    let price_source = if locked_fee.is_some() { PriceSource::GiftLock } else { PriceSource::Catalog };
    let delivery_fee = locked_fee.unwrap_or_else(|| delivery_fee(&request.producer, request.delivery_type));
    let mut total_price = delivery_fee;
    let mut items = Vec::with_capacity(request.lines.len());
    for (line_no, line) in (1..).zip(&request.lines) {
        let item = freeze(line_no, line, price_source)?;
        total_price = total_price.add(item.line_total)?;
        items.push(item);
    }
    Ok(OrderCreated {
        customer_id: request.customer_id,
        producer_id: request.producer.producer_id,
        items,
        delivery_type: request.delivery_type,
        delivery_fee,
        total_price,
        gift: None,
        amount_due: total_price,
        commission_bps: request.producer.commission_bps,
        payment_deadline: now + request.policy.payment_window,
        requested_for: request.requested_for,
        pii_sealed: request.pii_sealed.clone(),
        portions_taken: portions_taken(&request.lines),
    })
}

/// Who fetches the meal pays nobody for bringing it.
fn delivery_fee(producer: &ProducerSnapshot, delivery_type: DeliveryType) -> Money {
    match delivery_type {
        DeliveryType::Building | DeliveryType::Address => producer.delivery_fee,
        DeliveryType::Pickup => Money::zero(producer.delivery_fee.currency()),
    }
}

fn freeze(line_no: u32, line: &RequestedLine, price_source: PriceSource) -> Result<OrderItem, OrderError> {
    Ok(OrderItem {
        line_no,
        dish_id: line.dish_id,
        dish_name: line.dish_name.clone(),
        unit_price: line.unit_price,
        quantity: line.quantity,
        line_total: line.unit_price.times(line.quantity)?,
        price_version: line.price_version,
        price_source,
    })
}

fn check_total(request: &CreateOrder, total: Money) -> Result<(), OrderError> {
    if total.minor() > request.policy.total_max_minor {
        return Err(OrderError::LimitExceeded);
    }
    match request.expected_total {
        Some(expected) if expected.currency() != total.currency() => Err(OrderError::CurrencyMismatch),
        Some(expected) if expected != total => Err(OrderError::PriceChanged { current_total: total }),
        Some(_) | None => Ok(()),
    }
}

/// Nothing at all needs no bank; a little is more than nothing and less than a bank takes.
fn check_due(request: &CreateOrder, due: Money) -> Result<(), OrderError> {
    if !due.is_zero() && due.minor() < request.policy.payable_min_minor {
        return Err(OrderError::AmountBelowMinimum);
    }
    Ok(())
}
