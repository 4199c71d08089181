//! What the OpenAPI document says of every query.

use shared::web::{Meta, problem::ProblemDetails};
use utoipa::{IntoResponses, ToSchema};

use super::{GiftView, HistoryEntry, OrderView, PaymentView, tickets::WsTicket};
use crate::projections::{
    catalogue::{CategoryView, DishView, ProducerView},
    orders::RefundRow,
};

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident: $data:ty;)*) => {$(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[allow(dead_code, reason = "read by the document's macro only")]
        pub(super) struct $name {
            /// Always true.
            success: bool,
            /// What was asked for.
            data: $data,
            /// Its version, and where the next page begins.
            meta: Meta,
        }
    )*};
}

answers! {
    /// An order.
    OrderViewAnswer: OrderView;
    /// A page of orders.
    OrderListAnswer: Vec<OrderView>;
    /// The refunds of an order.
    RefundListAnswer: Vec<RefundRow>;
    /// What happened to an order.
    HistoryAnswer: Vec<HistoryEntry>;
    /// A payment.
    PaymentViewAnswer: PaymentView;
    /// A gift.
    GiftViewAnswer: GiftView;
    /// A page of gifts.
    GiftListAnswer: Vec<GiftView>;
    /// A dish.
    DishAnswer: DishView;
    /// A page of dishes.
    DishListAnswer: Vec<DishView>;
    /// A kitchen.
    ProducerAnswer: ProducerView;
    /// A page of kitchens.
    ProducerListAnswer: Vec<ProducerView>;
    /// A page of categories.
    CategoryListAnswer: Vec<CategoryView>;
    /// A ticket.
    TicketAnswer: WsTicket;
}

/// What a query that needs a signed-in caller may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum QueryProblems {
    /// A parameter or header is malformed or out of its range, or the cursor is another filter's.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// No token was sent, or it is not believed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemDetails),
    /// The caller's role may not ask this.
    #[response(status = 403, content_type = "application/problem+json")]
    PermissionDenied(ProblemDetails),
    /// There is no such thing, or it is not the caller's to know of.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// The view has not caught up with the Consistency-Token, or the database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// What an open query may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum OpenProblems {
    /// A parameter is malformed or out of its range, or the cursor is another filter's.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// The database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}
