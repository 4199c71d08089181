//! Personal data in events is sealed with a key of its subject's own; deleting the key erases the data for ever.

use std::sync::Arc;

use aes_gcm_siv::{
    Aes256GcmSiv, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use moka::{future::Cache, policy::EvictionPolicy};
use rand::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::{PgPool, Row, postgres::PgListener};

use crate::{domain::UserId, runtime::Platform};

/// The Postgres channel on which every erasure is told.
const ERASURES: &str = "homefood_erasures";
const NONCE_BYTES: usize = 12;
/// Keys kept in memory.
const KEYS_MAX: u64 = 50_000;
/// An erased key is forgotten in every process after this long at the latest.
const KEY_TTL: std::time::Duration = std::time::Duration::from_secs(60);

/// The personal data of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OrderContact {
    /// Who fetches the meal.
    pub user_name: String,
    /// E.164.
    pub phone: String,
    /// Where it goes; none for a pickup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address_text: Option<String>,
    /// A wish for the cook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The personal data of a gift, sealed for its buyer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GiftContact {
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_name: Option<String>,
    /// E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the buyer wishes the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The keys are out of reach.
    #[error("the subject's key cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// The sealed text was changed, or belongs to somebody else.
    #[error("the sealed text cannot be opened")]
    Corrupt,
}

/// A sealer that hears of erasures.
pub fn start(platform: &Platform, db: &PgPool) -> Sealer {
    let sealer = Sealer::new(db.clone(), platform.settings.pii_kek().expose());
    let listening = sealer.clone();
    platform.supervisor.spawn("erasure_listener", move |shutdown| {
        let sealer = listening.clone();
        async move {
            tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                heard = sealer.hear_erasures() => Ok(heard?),
            }
        }
    });
    sealer
}

/// Seals and opens personal data. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    db: PgPool,
    wrapping: Aes256GcmSiv,
    keys: Cache<UserId, Arc<Aes256GcmSiv>>,
}

impl Sealer {
    /// A sealer whose subjects' keys are wrapped with `key_encryption_key`.
    pub fn new(db: PgPool, key_encryption_key: &[u8; 32]) -> Self {
        let wrapping = Aes256GcmSiv::new(Key::<Aes256GcmSiv>::from_slice(key_encryption_key));
        let keys = Cache::builder()
            .max_capacity(KEYS_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(KEY_TTL)
            .build();
        Self { db, wrapping, keys }
    }

    /// Seals `data` for its subject, who gets a key if there is none yet.
    pub async fn seal<T: Serialize + Sync>(&self, subject: UserId, data: &T) -> Result<String, SealingError> {
        let key = match self.find_key(subject).await? {
            Some(key) => key,
            None => self.make_key(subject).await?,
        };
        let plain = serde_json::to_vec(data).map_err(|_| SealingError::Corrupt)?;
        encrypt(&key, subject, &plain).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what was sealed for `subject`; `None` if the subject was erased.
    pub async fn open<T: DeserializeOwned>(&self, subject: UserId, sealed: &str) -> Result<Option<T>, SealingError> {
        let Some(key) = self.find_key(subject).await? else { return Ok(None) };
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealingError::Corrupt)?;
        let plain = match decrypt(&key, subject, &sealed) {
            Ok(plain) => plain,
            Err(error) => return if self.was_erased(subject).await? { Ok(None) } else { Err(error) },
        };
        serde_json::from_slice(&plain).map(Some).map_err(|_| SealingError::Corrupt)
    }

    /// Destroys the subject's key, and writes down who wanted that and why. Says when the subject was erased last; `None`
    /// if there never was anything to erase.
    pub async fn erase(&self, subject: UserId, by: &str, reason: &str) -> Result<Option<DateTime<Utc>>, SealingError> {
        let erased = sqlx::query_scalar("SELECT erase_subject($1, $2, $3)")
            .bind(subject.0)
            .bind(by)
            .bind(reason)
            .fetch_one(&self.db)
            .await?;
        self.keys.invalidate(&subject).await;
        Ok(erased)
    }

    /// Forgets the keys of those who are erased by other processes, for as long as it is run.
    pub async fn hear_erasures(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.db).await?;
        listener.listen(ERASURES).await?;
        // Whatever was said before this connection listened.
        self.keys.invalidate_all();
        loop {
            match listener.try_recv().await?.and_then(|notice| notice.payload().parse().ok()) {
                Some(subject) => self.keys.invalidate(&UserId(subject)).await,
                None => self.keys.invalidate_all(),
            }
        }
    }

    /// What cannot be opened may have been sealed with a key that was destroyed before the subject got another.
    async fn was_erased(&self, subject: UserId) -> Result<bool, SealingError> {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM erasures WHERE subject_id = $1)");
        Ok(query.bind(subject.0).fetch_one(&self.db).await?)
    }

    async fn find_key(&self, subject: UserId) -> Result<Option<Arc<Aes256GcmSiv>>, SealingError> {
        if let Some(key) = self.keys.get(&subject).await {
            return Ok(Some(key));
        }
        let row = sqlx::query("SELECT wrapped_key FROM subject_keys WHERE subject_id = $1")
            .bind(subject.0)
            .fetch_optional(&self.db)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key = self.unwrap_key(subject, row.try_get("wrapped_key")?)?;
        self.keys.insert(subject, Arc::clone(&key)).await;
        Ok(Some(key))
    }

    async fn make_key(&self, subject: UserId) -> Result<Arc<Aes256GcmSiv>, SealingError> {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        let wrapped = encrypt(&self.wrapping, subject, &bytes)?;
        let mut tx = self.db.begin().await?;
        // Whatever is sealed with the key is committed after it, and that commit flushes this one too.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        // Somebody else may make the subject's first key at the same time; the first one stays.
        let row = sqlx::query(
            "
            INSERT INTO subject_keys (subject_id, wrapped_key) VALUES ($1, $2)
            ON CONFLICT (subject_id) DO UPDATE SET subject_id = excluded.subject_id
            RETURNING wrapped_key
            ",
        )
        .bind(subject.0)
        .bind(wrapped)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let key = self.unwrap_key(subject, row.try_get("wrapped_key")?)?;
        self.keys.insert(subject, Arc::clone(&key)).await;
        Ok(key)
    }

    fn unwrap_key(&self, subject: UserId, wrapped: &[u8]) -> Result<Arc<Aes256GcmSiv>, SealingError> {
        let bytes = decrypt(&self.wrapping, subject, wrapped)?;
        Aes256GcmSiv::new_from_slice(&bytes).map(Arc::new).map_err(|_| SealingError::Corrupt)
    }
}

/// Nonce and ciphertext, bound to the subject.
fn encrypt(key: &Aes256GcmSiv, subject: UserId, plain: &[u8]) -> Result<Vec<u8>, SealingError> {
    let mut nonce = [0_u8; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let payload = Payload { msg: plain, aad: subject.0.as_bytes() };
    let sealed = key.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| SealingError::Corrupt)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(key: &Aes256GcmSiv, subject: UserId, sealed: &[u8]) -> Result<Vec<u8>, SealingError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealingError::Corrupt)?;
    let payload = Payload { msg: text, aad: subject.0.as_bytes() };
    key.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| SealingError::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(byte: u8) -> Aes256GcmSiv {
        Aes256GcmSiv::new_from_slice(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_sealed_text_opens_for_its_subject_only() {
        let (anna, boris) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let sealed = encrypt(&key(1), anna, b"secret").unwrap();
        assert_eq!(decrypt(&key(1), anna, &sealed).unwrap(), b"secret");
        assert!(decrypt(&key(1), boris, &sealed).is_err());
        assert!(decrypt(&key(2), anna, &sealed).is_err());
        assert!(decrypt(&key(1), anna, &sealed[..5]).is_err());
    }
}
