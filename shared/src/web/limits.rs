//! How much one caller may ask of this instance: per group of routes, per minute, with a burst of a whole minute.
//!
//! Who is signed in has limits of their own; everybody else shares those of their address. Each instance counts for
//! itself. A caller that has not been seen for a while is forgotten, and of too many callers some are: memory is bounded.

use std::{net::IpAddr, num::NonZeroU32, str::FromStr, sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use http::{HeaderName, HeaderValue, Method, request::Parts};
use moka::sync::Cache;

use super::{
    auth::bearer,
    network::{TrustedProxies, household},
    problem::{ErrorCode, Problem},
    token::Authenticator,
};
use crate::domain::UserId;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The window of every limit.
const WINDOW_SECS: u32 = 60;
/// Callers that are counted at a time.
const CALLERS_MAX: u64 = 50_000;
/// A bucket that nobody has taken from for so long is full again.
const FORGET_AFTER: Duration = Duration::from_secs(2 * WINDOW_SECS as u64);

/// Routes that are limited together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Queries,
    Commands,
    /// Each may make a bank do something.
    Payments,
}

impl Group {
    /// `None` for what is not limited: a bank that tells us something must be heard.
    fn of(method: &Method, route: &str) -> Option<Self> {
        if route.contains("/webhooks/") || route.contains("/dev/") {
            return None;
        }
        Some(match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Queries,
            // A gift is bought with its page to pay on.
            _ if ["/payments", "/sync", "/gifts"].iter().any(|end| route.ends_with(end)) => Self::Payments,
            _ => Self::Commands,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::Commands => "commands",
            Self::Payments => "payments",
        }
    }
}

/// Requests per minute and caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// What only looks.
    pub queries: NonZeroU32,
    /// What changes something.
    pub commands: NonZeroU32,
    /// What may make a bank do something.
    pub payments: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |rate| NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        Self { queries: rate(6_000), commands: rate(1_200), payments: rate(120) }
    }
}

/// What the setting says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateSetting {
    /// Nothing is limited.
    Off,
    /// These are the limits.
    On(Rates),
}

/// The text says no limits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `off`, or limits per minute like queries=6000,commands=1200,payments=120 (each at least 1)")]
pub struct ParseRatesError;

impl FromStr for RateSetting {
    type Err = ParseRatesError;

    /// What is left out has its default.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        let mut rates = Rates::default();
        for part in text.split(',') {
            let (name, rate) = part.split_once('=').ok_or(ParseRatesError)?;
            let rate = rate.trim().parse().map_err(|_| ParseRatesError)?;
            match name.trim() {
                "queries" => rates.queries = rate,
                "commands" => rates.commands = rate,
                "payments" => rates.payments = rate,
                _ => return Err(ParseRatesError),
            }
        }
        Ok(Self::On(rates))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CallerKey {
    SignedIn(UserId),
    From(IpAddr),
    /// Nobody believable says where it comes from.
    Unknown,
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Counts the requests of every caller. Cheap to clone.
#[derive(Clone)]
pub struct RateLimits {
    rates: Rates,
    authenticator: Authenticator,
    proxies: TrustedProxies,
    buckets: Cache<(Group, CallerKey), Arc<Bucket>>,
    clock: DefaultClock,
}

/// What became of one request.
enum Taken {
    Allowed { remaining: u32 },
    Refused { retry_after: Duration },
}

impl RateLimits {
    /// Limits by these rates.
    pub fn new(rates: Rates, authenticator: Authenticator, proxies: TrustedProxies) -> Self {
        let buckets = Cache::builder().max_capacity(CALLERS_MAX).time_to_idle(FORGET_AFTER).build();
        Self { rates, authenticator, proxies, buckets, clock: DefaultClock::default() }
    }

    fn rate(&self, group: Group) -> NonZeroU32 {
        match group {
            Group::Queries => self.rates.queries,
            Group::Commands => self.rates.commands,
            Group::Payments => self.rates.payments,
        }
    }

    /// Only a token that is believed gives limits of one's own: nobody uses up those of others.
    async fn caller(&self, parts: &Parts) -> CallerKey {
        if let Ok(Some(token)) = bearer(&parts.headers)
            && let Ok(principal) = self.authenticator.authenticate(token).await
        {
            return CallerKey::SignedIn(principal.user_id);
        }
        let address = self.proxies.client_of(&parts.extensions, &parts.headers);
        address.map_or(CallerKey::Unknown, |address| CallerKey::From(household(address)))
    }

    fn take(&self, group: Group, caller: CallerKey) -> Taken {
        let bucket = self.buckets.get_with((group, caller), || {
            Arc::new(RateLimiter::direct(Quota::per_minute(self.rate(group))).with_middleware())
        });
        match bucket.check() {
            Ok(state) => Taken::Allowed { remaining: state.remaining_burst_capacity() },
            Err(until) => Taken::Refused { retry_after: until.wait_time_from(self.clock.now()) },
        }
    }

    fn mark(&self, response: &mut Response, group: Group, remaining: u32) {
        let (name, rate) = (group.as_str(), self.rate(group).get());
        // Until all of it is there again.
        let reset = (u64::from(rate - remaining.min(rate)) * u64::from(WINDOW_SECS)).div_ceil(u64::from(rate));
        let marks = [
            (RATE_LIMIT, format!("\"{name}\";r={remaining};t={reset}")),
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={rate};w={WINDOW_SECS}")),
        ];
        for (header, text) in marks {
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(header, value);
            }
        }
    }
}

/// Answers 429 to whoever asks too much, and tells everybody how much is left.
pub async fn enforce(State(limits): State<RateLimits>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let Some(group) = Group::of(request.method(), route) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let caller = limits.caller(&parts).await;
    let request = Request::from_parts(parts, body);
    let (mut response, remaining) = match limits.take(group, caller) {
        Taken::Allowed { remaining } => (next.run(request).await, remaining),
        Taken::Refused { retry_after } => {
            let seconds = u32::try_from(retry_after.as_millis().div_ceil(1_000)).unwrap_or(WINDOW_SECS).max(1);
            let detail = format!("more than {} {} a minute", limits.rate(group), group.as_str());
            (Problem::new(ErrorCode::RateLimited).detail(detail).retry_after(seconds).into_response(), 0)
        }
    };
    limits.mark(&mut response, group, remaining);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_off_or_names_limits() {
        assert_eq!("off".parse(), Ok(RateSetting::Off));
        let given = "queries=10, payments=3".parse::<RateSetting>();
        let rate = |rate| NonZeroU32::new(rate).expect("a rate");
        let expected = Rates { queries: rate(10), payments: rate(3), ..Rates::default() };
        assert_eq!(given, Ok(RateSetting::On(expected)));
        for wrong in ["", "on", "queries", "queries=", "queries=0", "queries=-1", "reads=5", "queries=1,,payments=1"] {
            assert_eq!(wrong.parse::<RateSetting>(), Err(ParseRatesError), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_bank_says_is_never_refused() {
        let group = |method, route| Group::of(&method, route);
        assert_eq!(group(Method::POST, "/api/v1/webhooks/tbank"), None);
        assert_eq!(group(Method::POST, "/api/v1/orders/{id}/payments"), Some(Group::Payments));
        assert_eq!(group(Method::POST, "/api/v1/gifts/{id}/payments"), Some(Group::Payments));
        assert_eq!(group(Method::POST, "/api/v1/orders"), Some(Group::Commands));
        assert_eq!(group(Method::PUT, "/api/v1/dishes/{id}"), Some(Group::Commands));
        assert_eq!(group(Method::GET, "/api/v1/payments/{id}"), Some(Group::Queries));
    }
}
