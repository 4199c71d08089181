//! The write side over HTTP. This router is the table of contents of what can be asked.

mod access;
mod bank_acts;
mod cases;
mod command;
mod dev;
mod dispute_decisions;
mod dispute_talk;
mod disputes;
mod documents;
mod erasure;
mod gate;
mod gift_blocks;
mod gift_codes;
mod gift_orders;
mod gift_use;
mod gift_views;
mod gifts;
mod menu;
mod order_steps;
mod orders;
mod payments;
mod refunds;
mod registry;
mod sessions;
mod state;
mod views;
mod webhooks;

use axum::middleware::from_fn_with_state;
use shared::web::limits::{RateLimits, enforce};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use sessions::SessionWatch;
pub use state::{AppParts, AppState};

/// Every route, ready to be joined with others.
pub fn router(state: AppState, limits: Option<RateLimits>) -> OpenApiRouter {
    let routes = if state.is_development() { routes().merge(dev::router()) } else { routes() };
    let routes = routes.with_state(state);
    match limits {
        Some(limits) => routes.layer(from_fn_with_state(limits, enforce)),
        None => routes,
    }
}

/// What the routes say of themselves, those of development included.
pub fn document() -> OpenApi {
    routes().merge(dev::router()).into_openapi()
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(orders::create_order))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(orders::complete_order))
        .routes(routes!(orders::rate_order))
        .routes(routes!(order_steps::accept_order))
        .routes(routes!(order_steps::reject_order))
        .routes(routes!(order_steps::start_preparation))
        .routes(routes!(order_steps::mark_ready))
        .routes(routes!(order_steps::dispatch_order))
        .routes(routes!(order_steps::deliver_order))
        .routes(routes!(order_steps::adjust_eta))
        .routes(routes!(payments::pay_order))
        .routes(routes!(payments::sync_payment))
        .routes(routes!(refunds::refund_order))
        .routes(routes!(gifts::create_gift))
        .routes(routes!(gifts::pay_gift))
        .routes(routes!(gifts::cancel_gift))
        .routes(routes!(gifts::refund_gift))
        .routes(routes!(gift_blocks::block_gift))
        .routes(routes!(gift_blocks::unblock_gift))
        .routes(routes!(gift_use::activate_gift))
        .routes(routes!(gift_use::convert_gift))
        .routes(routes!(gift_codes::get_gift_code))
        .routes(routes!(gift_codes::get_gift_balance))
        .routes(routes!(bank_acts::record_chargeback))
        .routes(routes!(bank_acts::record_external_refund))
        .routes(routes!(bank_acts::resolve_integrity))
        .routes(routes!(bank_acts::resolve_refund))
        .routes(routes!(cases::list_payment_cases))
        .routes(routes!(cases::get_payment_case))
        .routes(routes!(cases::close_payment_case))
        .routes(routes!(menu::put_category))
        .routes(routes!(menu::put_producer))
        .routes(routes!(menu::put_dish))
        .routes(routes!(disputes::open_dispute))
        .routes(routes!(disputes::withdraw_dispute))
        .routes(routes!(dispute_talk::submit_evidence))
        .routes(routes!(dispute_talk::respond_to_dispute))
        .routes(routes!(dispute_talk::make_offer))
        .routes(routes!(dispute_talk::accept_offer))
        .routes(routes!(dispute_talk::decline_offer))
        .routes(routes!(dispute_talk::escalate_dispute))
        .routes(routes!(dispute_decisions::accept_claim))
        .routes(routes!(dispute_decisions::resolve_dispute))
        .routes(routes!(dispute_decisions::approve_resolution))
        .routes(routes!(webhooks::take_tbank_notification))
        .routes(routes!(registry::import_bank_registry))
        .routes(routes!(erasure::erase_user))
}
