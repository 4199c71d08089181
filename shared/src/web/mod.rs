//! What every HTTP answer of both services has in common: problems, envelopes, callers, tokens, the request itself.

pub mod alias;
pub mod asyncapi;
pub mod auth;
pub mod contracts;
pub mod envelope;
pub mod headers;
pub mod json;
pub mod limits;
pub mod network;
pub mod opaque;
pub mod openapi;
pub mod ops;
pub mod params;
pub mod problem;
pub mod request;
pub mod serve;
pub mod socket;
pub mod token;

pub use alias::Alias;
pub use auth::{Caller, OptionalCaller, Principal, Role, Roles};
pub use envelope::{Envelope, Meta};
pub use headers::{IdempotencyKey, IfMatch, PreferWait};
pub use json::{Fingerprint, JsonBody};
pub use limits::RateLimits;
pub use network::{Network, TrustedProxies};
pub use opaque::{Cursor, OpaqueKey};
pub use params::{PathId, PathIds, ValidQuery};
pub use problem::{ErrorCode, Problem};
pub use request::RequestContext;
pub use serve::serve;
pub use token::Authenticator;
