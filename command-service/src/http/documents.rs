//! What the OpenAPI document says of every command.

use shared::web::{Meta, problem::ProblemDetails};
use utoipa::{IntoResponses, ToSchema};

use super::{
    disputes::DisputeData,
    gift_views::{GiftBalanceData, GiftCodeData, GiftData},
    menu::Edited,
    views::{OrderData, PaymentData},
};

/// An order after a command.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct OrderAnswer {
    /// Always true.
    success: bool,
    /// The order.
    data: OrderData,
    /// Its version and the consistency token.
    meta: Meta,
}

/// A payment after a command.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct PaymentAnswer {
    /// Always true.
    success: bool,
    /// The payment.
    data: PaymentData,
    /// The order's version and the consistency token.
    meta: Meta,
}

/// An entry of the catalogue after a change.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct EditAnswer {
    /// Always true.
    success: bool,
    /// What was edited.
    data: Edited,
    /// Its version.
    meta: Meta,
}

/// A gift after a command.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct GiftAnswer {
    /// Always true.
    success: bool,
    /// The gift.
    data: GiftData,
    /// Its version and the consistency token.
    meta: Meta,
}

/// A dispute after a command.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct DisputeAnswer {
    /// Always true.
    success: bool,
    /// The dispute.
    data: DisputeData,
    /// Its version and the consistency token.
    meta: Meta,
}

/// A gift's code.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct GiftCodeAnswer {
    /// Always true.
    success: bool,
    /// The code.
    data: GiftCodeData,
    /// Nothing.
    meta: Meta,
}

/// What is on a gift.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) struct GiftBalanceAnswer {
    /// Always true.
    success: bool,
    /// The balance.
    data: GiftBalanceData,
    /// Nothing.
    meta: Meta,
}

/// What any command may be refused with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the document's macro only")]
pub(super) enum CommandProblems {
    /// A header, the path or the body is malformed or has a field out of range.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDetails),
    /// No token was sent, or it is not believed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemDetails),
    /// The caller's role may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    PermissionDenied(ProblemDetails),
    /// There is no such thing, or it is not the caller's to know of.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// Others changed the same thing again and again; try again.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemDetails),
    /// The version is not the one in `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(ProblemDetails),
    /// The body is larger than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// The body is not JSON by its content type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDetails),
    /// A rule of the business forbids it, or the idempotency key was used for something else.
    #[response(status = 422, content_type = "application/problem+json")]
    Rule(ProblemDetails),
    /// The caller asks too much; `Retry-After` says when there is room again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemDetails),
    /// The log does not take more now; `Retry-After` says when.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}
