//! Whose tokens are believed: the algorithm is pinned, the keys may change, a verified token is remembered.

mod dev;
mod keys;

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use moka::{policy::EvictionPolicy, sync::Cache};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::auth::{Principal, Roles};
use crate::{
    domain::{ProducerId, UserId},
    runtime::settings::{JwtAlgorithm, JwtSettings, SettingsError, SharedSettings},
};

pub use dev::{DevIssuer, Grant};
pub use keys::{KeySet, KeySetError, KeySource};

/// How far the issuer's clock may be off.
const LEEWAY_SECS: u64 = 30;
/// Tokens remembered.
const REMEMBERED_MAX: u64 = 10_000;
/// How long a token is remembered at most; a key that is withdrawn is forgotten sooner, with the set it was in.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// How often an unknown key may make us ask the issuer.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// How old a key set may grow before the issuer is asked again.
const REFRESH_AFTER: Duration = Duration::from_secs(600);
/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why a token is not believed. The text may be told to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token at all, or one of a kind that is not used here.
    #[error("the token is malformed")]
    Malformed,
    /// Its header names another algorithm than the pinned one.
    #[error("the token is signed with another algorithm")]
    WrongAlgorithm,
    /// Its header names a key the issuer does not have.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The signature is not the issuer's.
    #[error("the signature is not valid")]
    BadSignature,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It will be good.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It was issued by someone else.
    #[error("the token has another issuer")]
    WrongIssuer,
    /// It was issued for someone else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `exp`, `iss`, `aud` or `sub` is absent, or not of its type.
    #[error("the token lacks a claim: exp, iss, aud and sub (a UUID) are required")]
    MissingClaim,
}

/// The claims that are used; those that are only checked are not here.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: Uuid,
    exp: u64,
    nbf: Option<u64>,
    #[serde(default)]
    roles: Roles,
    producer_id: Option<ProducerId>,
}

/// Turns tokens into principals. Clones share keys and memory.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    validation: Validation,
    keys: ArcSwap<KeySet>,
    source: KeySource,
    /// When the issuer was last asked; held while asking, so that one asks and the others wait.
    asked_at: tokio::sync::Mutex<Instant>,
    remembered: Cache<[u8; 32], Principal>,
    dev_issuer: Option<DevIssuer>,
}

impl Authenticator {
    /// Believes whom the settings say; in development without a key, a key of its own.
    pub async fn from_settings(settings: &SharedSettings) -> Result<Self, SettingsError> {
        let jwt = &settings.jwt;
        let wrong = |error: KeySetError| SettingsError::Wrong(format!("the keys of tokens: {error}"));
        let (source, dev_issuer) = match (&jwt.jwks, &jwt.public_key) {
            (Some(jwks), _) => (KeySource::jwks(jwks).map_err(wrong)?, None),
            (None, Some(path)) => (KeySource::Pem(path.clone()), None),
            (None, None) if settings.is_development() && jwt.algorithm == JwtAlgorithm::EdDsa => {
                let issuer = DevIssuer::load_or_create(jwt).map_err(wrong)?;
                (KeySource::Fixed(issuer.public_keys().map_err(wrong)?), Some(issuer))
            }
            (None, None) => {
                let why = "only development with EdDSA generates a key";
                return Err(SettingsError::missing("HOMEFOOD_JWT_JWKS or HOMEFOOD_JWT_PUBLIC_KEY", why));
            }
        };
        let keys = source.load(algorithm(jwt.algorithm)).await.map_err(wrong)?;
        Ok(Self::new(jwt, source, keys, dev_issuer))
    }

    fn new(jwt: &JwtSettings, source: KeySource, keys: KeySet, dev_issuer: Option<DevIssuer>) -> Self {
        let inner = Inner {
            validation: validation(jwt),
            keys: ArcSwap::from_pointee(keys),
            source,
            asked_at: tokio::sync::Mutex::new(Instant::now()),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(REMEMBERED_FOR)
                .build(),
            dev_issuer,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Issues tokens, in development only.
    pub fn dev_issuer(&self) -> Option<&DevIssuer> {
        self.inner.dev_issuer.as_ref()
    }

    /// Who the bearer of this token is.
    ///
    /// Tokens live by the machine's clock, not by `Clock`: moving time in development signs nobody out.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, TokenError> {
        self.authenticate_at(token, unix_now()).await
    }

    async fn authenticate_at(&self, token: &str, now: u64) -> Result<Principal, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        // Checking a signature costs 50 µs and more; the digest keeps no token in memory.
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(principal) = self.inner.remembered.get(&digest) {
            return if principal.expires_at.saturating_add(LEEWAY_SECS) > now {
                Ok(principal)
            } else {
                Err(TokenError::Expired)
            };
        }
        self.refresh_if_old().await;
        let principal = self.verify(token, now).await?;
        self.inner.remembered.insert(digest, principal);
        Ok(principal)
    }

    async fn verify(&self, token: &str, now: u64) -> Result<Principal, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // A header that tells where to find its own key, or that we must understand more, is not ours.
        if header.crit.is_some() || header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() {
            return Err(TokenError::Malformed);
        }
        if !self.inner.validation.algorithms.contains(&header.alg) {
            return Err(TokenError::WrongAlgorithm);
        }
        let kid = header.kid.as_deref();
        let mut keys = self.inner.keys.load_full();
        if keys.find(kid).is_none() {
            self.refresh_for(kid).await;
            keys = self.inner.keys.load_full();
        }
        let key = keys.find(kid).ok_or(TokenError::UnknownKey)?;
        let claims =
            decode::<Claims>(token, key, &self.inner.validation).map_err(|error| refusal(error.kind()))?.claims;
        if claims.exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY_SECS) {
            return Err(TokenError::NotYetValid);
        }
        let Claims { sub, exp, roles, producer_id, .. } = claims;
        Ok(Principal { user_id: UserId(sub), roles, producer_id, expires_at: exp })
    }

    /// The issuer may have a new key. Strangers with invented keys make us ask no more than twice a minute.
    async fn refresh_for(&self, kid: Option<&str>) {
        if !self.inner.source.can_change() {
            return;
        }
        let mut asked_at = self.inner.asked_at.lock().await;
        let found_meanwhile = self.inner.keys.load().find(kid).is_some();
        if !found_meanwhile && asked_at.elapsed() >= REFRESH_PAUSE {
            *asked_at = Instant::now();
            self.refresh().await;
        }
    }

    /// A key may have been withdrawn. Whoever finds the set old asks; the others go on with what there is.
    async fn refresh_if_old(&self) {
        if self.inner.source.can_change()
            && let Ok(mut asked_at) = self.inner.asked_at.try_lock()
            && asked_at.elapsed() >= REFRESH_AFTER
        {
            *asked_at = Instant::now();
            self.refresh().await;
        }
    }

    async fn refresh(&self) {
        match self.inner.source.load(self.inner.validation.algorithms[0]).await {
            Ok(keys) => {
                if !keys.same_as(&self.inner.keys.load()) {
                    tracing::info!("the keys of tokens have changed");
                    self.inner.keys.store(Arc::new(keys));
                    self.inner.remembered.invalidate_all();
                }
            }
            // The last good set stays in use.
            Err(error) => tracing::warn!(%error, "cannot read the keys of tokens: {error}"),
        }
    }
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
    }
}

fn validation(jwt: &JwtSettings) -> Validation {
    let mut validation = Validation::new(algorithm(jwt.algorithm));
    validation.set_issuer(&[&jwt.issuer]);
    validation.set_audience(&[&jwt.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Compared with the time of the call, below: one rule for new and remembered tokens.
    validation.validate_exp = false;
    validation
}

fn refusal(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidIssuer => TokenError::WrongIssuer,
        ErrorKind::InvalidAudience => TokenError::WrongAudience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            TokenError::MissingClaim
        }
        _ => TokenError::Malformed,
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests;
