//! What can be asked of the read side: GET routes, and the tickets and sockets of the live feed. The router is the
//! table of contents.

mod access;
mod catalogue;
mod documents;
mod freshness;
mod gifts;
mod history;
mod order_view;
mod orders;
mod pages;
mod payments;
mod state;
#[cfg(test)]
mod tests;
mod tickets;

use shared::web::openapi::describe_security;
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

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
        (name = "catalogue", description = "Dishes, kitchens and categories"),
        (name = "live", description = "What happens, as it happens")
    )
)]
struct Document;

/// Every route of the read side, ready to be merged with others.
pub fn router(state: ReadState) -> OpenApiRouter {
    documented().with_state(state)
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
        .routes(routes!(catalogue::list_dishes))
        .routes(routes!(catalogue::get_dish))
        .routes(routes!(catalogue::list_producers))
        .routes(routes!(catalogue::get_producer))
        .routes(routes!(catalogue::list_categories))
        .routes(routes!(tickets::create_ws_ticket));
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", api).routes(routes!(crate::live::open_socket))
}
