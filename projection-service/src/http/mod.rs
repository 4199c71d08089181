//! What can be asked of the read side: GET routes, the tickets and sockets of the live feed, and what operators do to the
//! read side itself. The router is the table of contents.

mod access;
mod admin_history;
mod analytics;
mod catalogue;
mod dispute_view;
mod disputes;
mod dlq;
mod documents;
mod freshness;
mod gifts;
mod history;
mod ledger;
mod log_audit;
mod operations;
mod operators;
mod order_view;
mod orders;
mod pages;
mod payments;
mod projections;
mod state;
#[cfg(test)]
mod tests;
mod tickets;

use axum::middleware::from_fn_with_state;
use shared::web::{
    limits::{RateLimits, enforce},
    openapi::describe_security,
};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use dispute_view::DisputeView;
pub use gifts::GiftView;
pub use history::HistoryEntry;
pub use order_view::OrderView;
pub use payments::PaymentView;
pub use state::{ReadParts, ReadState};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "HomeFood: queries",
        description = "Orders, payments, the catalogue and the live feed of a marketplace for home-cooked food.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "orders", description = "Orders as their parties see them"),
        (name = "payments", description = "Attempts to pay"),
        (name = "gifts", description = "Gifts as their buyers and recipients see them"),
        (name = "disputes", description = "Disagreements about orders, as their parties see them"),
        (name = "catalogue", description = "Dishes, kitchens and categories"),
        (name = "analytics", description = "Sums over many orders"),
        (name = "live", description = "What happens, as it happens"),
        (name = "operators", description = "Dead letters, rebuilds, history, the books: for administrators")
    )
)]
struct Document;

/// Every route of the read side, ready to be merged with others.
pub fn router(state: ReadState, limits: Option<RateLimits>) -> OpenApiRouter {
    let routes = documented().with_state(state);
    match limits {
        Some(limits) => routes.layer(from_fn_with_state(limits, enforce)),
        None => routes,
    }
}

/// The document of the read side, without a database.
pub fn openapi() -> openapi::OpenApi {
    let mut document = documented().into_openapi();
    describe_security(&mut document);
    document
}

fn documented() -> OpenApiRouter<ReadState> {
    let api = OpenApiRouter::new()
        .routes(routes!(orders::list_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::list_order_refunds))
        .routes(routes!(history::get_order_history))
        .routes(routes!(payments::get_payment))
        .routes(routes!(gifts::list_gifts))
        .routes(routes!(gifts::get_gift))
        .routes(routes!(disputes::list_disputes))
        .routes(routes!(disputes::get_dispute))
        .routes(routes!(catalogue::list_dishes))
        .routes(routes!(catalogue::get_dish))
        .routes(routes!(catalogue::list_producers))
        .routes(routes!(catalogue::get_producer))
        .routes(routes!(catalogue::list_categories))
        .routes(routes!(analytics::get_order_analytics))
        .routes(routes!(analytics::list_top_producers))
        .routes(routes!(analytics::list_popular_dishes))
        .routes(routes!(analytics::list_daily_revenue))
        .routes(routes!(tickets::create_ws_ticket))
        .routes(routes!(crate::live::stream_feed));
    let api = api.merge(operators());
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", api).routes(routes!(crate::live::open_socket))
}

/// What administrators may ask and do. These POSTs change nothing that happened, only how the read side stands.
fn operators() -> OpenApiRouter<ReadState> {
    OpenApiRouter::new()
        .routes(routes!(operations::list_operations))
        .routes(routes!(operations::get_operation))
        .routes(routes!(operations::cancel_operation))
        .routes(routes!(operations::pause_operation))
        .routes(routes!(operations::resume_operation))
        .routes(routes!(dlq::list_dead_letters))
        .routes(routes!(dlq::list_dead_letter_groups))
        .routes(routes!(dlq::get_dead_letter))
        .routes(routes!(dlq::test_dead_letter))
        .routes(routes!(dlq::retry_dead_letter))
        .routes(routes!(dlq::redrive_dead_letters))
        .routes(routes!(dlq::discard_dead_letter))
        .routes(routes!(projections::list_projections))
        .routes(routes!(projections::get_projection))
        .routes(routes!(projections::rebuild_projection))
        .routes(routes!(projections::swap_projection))
        .routes(routes!(projections::rollback_projection))
        .routes(routes!(projections::verify_projection))
        .routes(routes!(projections::forget_generations))
        .routes(routes!(projections::get_projection_rows))
        .routes(routes!(projections::heal_projection_row))
        .routes(routes!(log_audit::audit_log))
        .routes(routes!(ledger::list_ledger_accounts))
        .routes(routes!(admin_history::list_events))
        .routes(routes!(admin_history::replay_aggregate))
        .routes(routes!(admin_history::diff_aggregate))
        .routes(routes!(admin_history::explain_aggregate))
        .routes(routes!(admin_history::trace_flow))
}
