//! What the OpenAPI document says of every query.

use shared::web::{Meta, problem::ProblemDetails};
use utoipa::{IntoResponses, ToSchema};

use super::{
    DisputeView, GiftView, HistoryEntry, OrderView, PaymentView,
    ledger::LedgerAccount,
    projections::{Forgotten, Healed, ProjectionView},
    tickets::WsTicket,
};
use crate::{
    dead_letters::{Discarded, Letter, LetterGroup, TriedLetter},
    history::{EventView, FieldChange, FieldOrigin, StateAt, TraceEntry},
    operations::Operation,
    projections::{
        catalogue::{CategoryView, DishView, ProducerView},
        order_facts::{DayRevenue, OrderReport, PopularDish, TopProducer},
        orders::RefundRow,
    },
};

/// A document of any shape.
type Object = serde_json::Map<String, serde_json::Value>;

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
    /// A dispute.
    DisputeViewAnswer: DisputeView;
    /// A page of disputes.
    DisputeListAnswer: Vec<DisputeView>;
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
    /// Orders, added up.
    OrderReportAnswer: OrderReport;
    /// Kitchens by revenue.
    TopProducersAnswer: Vec<TopProducer>;
    /// Dishes by orders.
    PopularDishesAnswer: Vec<PopularDish>;
    /// Revenue by day.
    DailyRevenueAnswer: Vec<DayRevenue>;
    /// A ticket.
    TicketAnswer: WsTicket;
    /// A long act.
    OperationAnswer: Operation;
    /// The newest long acts.
    OperationListAnswer: Vec<Operation>;
    /// A dead letter.
    LetterAnswer: Letter;
    /// A page of dead letters.
    LetterListAnswer: Vec<Letter>;
    /// The causes of dead letters.
    LetterGroupListAnswer: Vec<LetterGroup>;
    /// What would become of a dead letter.
    TriedAnswer: TriedLetter;
    /// A dead letter is passed over.
    DiscardedAnswer: Discarded;
    /// A projection.
    ProjectionAnswer: ProjectionView;
    /// Every projection.
    ProjectionListAnswer: Vec<ProjectionView>;
    /// Tables that were thrown away.
    ForgottenAnswer: Forgotten;
    /// A row that is right now.
    HealedAnswer: Healed;
    /// Rows as they are stored.
    RowsAnswer: Vec<Object>;
    /// A page of accounts.
    LedgerAccountListAnswer: Vec<LedgerAccount>;
    /// A page of events.
    EventListAnswer: Vec<EventView>;
    /// An aggregate as it was.
    StateAnswer: StateAt;
    /// What differs between two versions.
    FieldChangeListAnswer: Vec<FieldChange>;
    /// Every field and the event that set it.
    FieldOriginListAnswer: Vec<FieldOrigin>;
    /// A business flow.
    TraceAnswer: Vec<TraceEntry>;
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
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
    /// The view has not caught up with the Consistency-Token, or the database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// What an operator may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum OperatorProblems {
    /// A parameter or the body is malformed or out of its range.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// No token was sent, or it is not believed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemDetails),
    /// The caller is no administrator.
    #[response(status = 403, content_type = "application/problem+json")]
    PermissionDenied(ProblemDetails),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(ProblemDetails),
    /// It is forbidden as things stand; `rule_name` says by what.
    #[response(status = 422, content_type = "application/problem+json")]
    Rule(ProblemDetails),
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
    /// The database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// What a report may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum ReportProblems {
    /// A parameter or header is malformed or out of its range.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// No token was sent, or it is not believed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemDetails),
    /// Reports are for administrators, analysts and cooks.
    #[response(status = 403, content_type = "application/problem+json")]
    PermissionDenied(ProblemDetails),
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
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
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
    /// The database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}
