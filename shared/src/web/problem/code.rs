//! Every kind of problem: its status, and what its page says.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// Whether sending the same request again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request will be refused again.
    No,
    /// Later, after `Retry-After` if it is given.
    Later,
    /// After reading the resource again and deciding anew.
    AfterReading,
}

// By hand: the derive does not see names that come out of a macro.
impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The kind of a problem, for machines."))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .build()
            .into()
    }
}

impl ToSchema for ErrorCode {}

macro_rules! codes {
    ($($name:ident $code:literal $status:ident $title:literal, $cause:literal, $fix:literal, $retry:ident;)*) => {
        /// The kind of a problem, for machines.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $(#[doc = concat!($title, ": ", $cause)] #[serde(rename = $code)] $name,)*
        }

        impl ErrorCode {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name as it is sent.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The kind in three words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Why it happens.
            pub fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)* }
            }

            /// What to do about it.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }

            /// Whether sending the same request again can help.
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }
        }
    };
}

codes! {
    ValidationError "VALIDATION_ERROR" BAD_REQUEST "Invalid request",
        "A field, parameter or header is unknown, missing or out of its range.",
        "`errors` points to each field at fault; correct it.", No;
    MalformedJson "MALFORMED_JSON" BAD_REQUEST "Malformed JSON",
        "The body is not JSON.",
        "Send one JSON object, in UTF-8.", No;
    IdempotencyKeyMissing "IDEMPOTENCY_KEY_MISSING" BAD_REQUEST "Idempotency key missing",
        "This command moves money or cannot be undone, so it needs an Idempotency-Key.",
        "Send an Idempotency-Key of your own making, and the same one whenever you repeat this command.", No;
    Unauthenticated "UNAUTHENTICATED" UNAUTHORIZED "Not signed in",
        "The bearer token is missing, expired or not valid here.",
        "Sign in again and send `Authorization: Bearer <token>`.", No;
    PermissionDenied "PERMISSION_DENIED" FORBIDDEN "Not allowed",
        "You are signed in, but this is not yours to do.",
        "Use an account with the role this act asks for.", No;
    NotFound "NOT_FOUND" NOT_FOUND "Not found",
        "There is no such thing, or it is not yours to see.",
        "Check the path and the id. What was just created may need its Consistency-Token to be seen.", No;
    MethodNotAllowed "METHOD_NOT_ALLOWED" METHOD_NOT_ALLOWED "Method not allowed",
        "The path exists, but not with this method.",
        "Use one of the methods in the Allow header.", No;
    NotAcceptable "NOT_ACCEPTABLE" NOT_ACCEPTABLE "Not acceptable",
        "None of the formats in the Accept header is served here.",
        "Accept application/json.", No;
    ConcurrencyConflict "CONCURRENCY_CONFLICT" CONFLICT "Someone was faster",
        "The resource kept changing while your command was being decided.",
        "Read the resource again and decide anew.", AfterReading;
    IdempotencyInProgress "IDEMPOTENCY_IN_PROGRESS" CONFLICT "Still being done",
        "A command with the same Idempotency-Key is being done right now.",
        "Wait and send it again: you will get the answer of the first.", Later;
    PreconditionFailed "PRECONDITION_FAILED" PRECONDITION_FAILED "Version has changed",
        "The resource is not at the version that If-Match names.",
        "Read the resource again; `current_version` says where it is now.", AfterReading;
    PayloadTooLarge "PAYLOAD_TOO_LARGE" PAYLOAD_TOO_LARGE "Body too large",
        "The body is larger than 64 KiB.",
        "Send less.", No;
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" UNSUPPORTED_MEDIA_TYPE "Not JSON",
        "The Content-Type is not application/json.",
        "Send JSON with `Content-Type: application/json`.", No;
    BusinessRuleViolation "BUSINESS_RULE_VIOLATION" UNPROCESSABLE_ENTITY "Against a rule",
        "A rule of the marketplace forbids this in the present state; `rule_name` names it.",
        "Read the resource again; `allowed_actions` says what is possible now.", AfterReading;
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" UNPROCESSABLE_ENTITY "Idempotency key used twice",
        "The same Idempotency-Key came with a different command before.",
        "Make a new key for each new command.", No;
    PreconditionRequired "PRECONDITION_REQUIRED" PRECONDITION_REQUIRED "If-Match missing",
        "This command may only be given by someone who has seen the present version.",
        "Read the resource and send its ETag as If-Match.", No;
    RateLimited "RATE_LIMITED" TOO_MANY_REQUESTS "Too many requests",
        "You have sent more requests than your share.",
        "Wait as long as Retry-After says.", Later;
    InternalError "INTERNAL_ERROR" INTERNAL_SERVER_ERROR "Our mistake",
        "Something happened that should not. Nothing was recorded.",
        "Try again later; if it stays, ask for help and quote the correlation_id.", Later;
    ProviderError "PROVIDER_ERROR" BAD_GATEWAY "Payment provider failed",
        "The payment provider gave an answer that cannot be used.",
        "Try again later with the same Idempotency-Key.", Later;
    ServiceUnavailable "SERVICE_UNAVAILABLE" SERVICE_UNAVAILABLE "Not available now",
        "A part that is needed does not answer, or there is more work than can be done. Nothing was recorded, \
         or the same Idempotency-Key will tell.",
        "Wait as long as Retry-After says and try again with the same Idempotency-Key.", Later;
    ProjectionLag "PROJECTION_LAG" SERVICE_UNAVAILABLE "Not up to date yet",
        "What your Consistency-Token stands for has not reached this view within 2 seconds.",
        "Ask again, or send `allow_stale=true` to see the view as it is.", Later;
}

impl ErrorCode {
    /// The name in the address of its page.
    pub fn slug(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', "-")
    }

    /// The kind whose page has this address.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.slug() == slug)
    }
}
