//! Gift codes: made here, found by their HMAC, readable until the gift is activated, and then erased.

use std::sync::Arc;

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use rand::Rng;
use shared::{
    domain::{
        GiftId,
        gift::{CodeRef, GiftCode},
    },
    runtime::settings::Key32,
};
use sqlx::{PgPool, Row};

const NONCE_BYTES: usize = 12;

/// The vault of gift codes. Cheap to clone.
#[derive(Clone)]
pub struct GiftVault {
    db: PgPool,
    keys: Arc<Keys>,
}

struct Keys {
    pepper: Key32,
    sealing: Aes256GcmSiv,
}

/// What the log may know of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCode {
    /// Its HMAC.
    pub code_ref: CodeRef,
    /// Its last four symbols.
    pub last4: String,
}

/// Why the vault did not answer.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database is out of reach.
    #[error("the vault of gift codes cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// A row was changed, moved, or sealed with another key.
    #[error("a gift code cannot be unsealed")]
    Corrupt,
}

impl GiftVault {
    /// A vault that knows codes by an HMAC under `pepper`, and encrypts them with `key`.
    pub fn new(db: PgPool, pepper: Key32, key: &Key32) -> Self {
        let sealing = Aes256GcmSiv::new(key.expose().into());
        Self { db, keys: Arc::new(Keys { pepper, sealing }) }
    }

    /// What a code that somebody typed is known by; of a text that is no code, something that no gift is known by.
    pub fn reference(&self, typed: &str) -> CodeRef {
        GiftCode::parse(typed).map_or(CodeRef(String::new()), |code| code.reference(self.keys.pepper.expose()))
    }

    /// The code of a gift, made when it is first asked for: asked again, also by another process or after a crash, it is
    /// the same.
    pub async fn mint(&self, gift_id: GiftId) -> Result<KnownCode, VaultError> {
        let code = GiftCode::from_bits(rand::rng().next_u64() as u128 | u128::from(rand::rng().next_u64()) << 64);
        let sealed = self.seal(gift_id, &code.shown())?;
        let made = sqlx::query(
            "
            INSERT INTO gift_codes (gift_id, code_ref, last4, sealed) VALUES ($1, $2, $3, $4)
            ON CONFLICT (gift_id) DO NOTHING
            RETURNING code_ref, last4
            ",
        )
        .bind(gift_id.0)
        .bind(code.reference(self.keys.pepper.expose()).0)
        .bind(code.last4())
        .bind(sealed)
        .fetch_optional(&self.db)
        .await?;
        let row = match made {
            Some(row) => row,
            // A statement of its own: one that waited for a twin does not see what the twin wrote.
            None => {
                let found = sqlx::query("SELECT code_ref, last4 FROM gift_codes WHERE gift_id = $1");
                found.bind(gift_id.0).fetch_one(&self.db).await?
            }
        };
        Ok(KnownCode { code_ref: CodeRef(row.try_get("code_ref")?), last4: row.try_get("last4")? })
    }

    /// The gift that is known by this reference.
    pub async fn find(&self, code_ref: &CodeRef) -> Result<Option<GiftId>, VaultError> {
        let row = sqlx::query("SELECT gift_id FROM gift_codes WHERE code_ref = $1")
            .bind(&code_ref.0)
            .fetch_optional(&self.db)
            .await?;
        Ok(row.map(|row| row.try_get("gift_id").map(GiftId)).transpose()?)
    }

    /// The code as people read it; `None` if it was erased, or was never made.
    pub async fn reveal(&self, gift_id: GiftId) -> Result<Option<String>, VaultError> {
        let row = sqlx::query("SELECT sealed FROM gift_codes WHERE gift_id = $1")
            .bind(gift_id.0)
            .fetch_optional(&self.db)
            .await?;
        let sealed: Option<Vec<u8>> = row.map(|row| row.try_get("sealed")).transpose()?.flatten();
        sealed.map(|sealed| self.unseal(gift_id, &sealed)).transpose()
    }

    /// Erases the plaintext; the gift is still found by its code.
    pub async fn erase(&self, gift_id: GiftId) -> Result<(), VaultError> {
        sqlx::query("UPDATE gift_codes SET sealed = NULL WHERE gift_id = $1 AND sealed IS NOT NULL")
            .bind(gift_id.0)
            .execute(&self.db)
            .await?;
        Ok(())
    }

    /// Nonce and ciphertext, bound to the gift.
    fn seal(&self, gift_id: GiftId, code: &str) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: code.as_bytes(), aad: gift_id.0.as_bytes() };
        let text = self.keys.sealing.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| VaultError::Corrupt)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    fn unseal(&self, gift_id: GiftId, sealed: &[u8]) -> Result<String, VaultError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(VaultError::Corrupt)?;
        let payload = Payload { msg: text, aad: gift_id.0.as_bytes() };
        let plain = self.keys.sealing.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| VaultError::Corrupt)?;
        String::from_utf8(plain).map_err(|_| VaultError::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::TestDatabase;

    async fn vault() -> GiftVault {
        let database = TestDatabase::new().await;
        GiftVault::new(database.db.clone(), Key32::new([1; 32]), &Key32::new([2; 32]))
    }

    #[tokio::test]
    async fn a_gift_has_one_code_however_often_it_is_made() {
        let vault = vault().await;
        let gift_id = GiftId(Uuid::now_v7());
        let twins = futures::future::join_all((0..8).map(|_| vault.mint(gift_id))).await;
        let codes: Vec<KnownCode> = twins.into_iter().map(Result::unwrap).collect();
        assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
        let shown = vault.reveal(gift_id).await.unwrap().unwrap();
        assert!(shown.ends_with(&codes[0].last4));
        assert_eq!(vault.reference(&shown.to_lowercase()), codes[0].code_ref);
        assert_eq!(vault.find(&codes[0].code_ref).await.unwrap(), Some(gift_id));
    }

    #[tokio::test]
    async fn an_erased_code_cannot_be_read_but_still_finds_its_gift() {
        let vault = vault().await;
        let gift_id = GiftId(Uuid::now_v7());
        let code = vault.mint(gift_id).await.unwrap();
        vault.erase(gift_id).await.unwrap();
        assert_eq!(vault.reveal(gift_id).await.unwrap(), None);
        assert_eq!(vault.find(&code.code_ref).await.unwrap(), Some(gift_id));
        assert_eq!(vault.mint(gift_id).await.unwrap(), code, "and it is not made anew");
    }

    #[tokio::test]
    async fn what_is_no_code_finds_nothing() {
        let vault = vault().await;
        vault.mint(GiftId(Uuid::now_v7())).await.unwrap();
        for typed in ["", "hello", "0000-0000-0000-0001"] {
            assert_eq!(vault.find(&vault.reference(typed)).await.unwrap(), None, "{typed}");
        }
    }

    #[tokio::test]
    async fn a_row_opens_for_its_own_gift_only() {
        let vault = vault().await;
        let (mine, other) = (GiftId(Uuid::now_v7()), GiftId(Uuid::now_v7()));
        let sealed = vault.seal(mine, "ABCD").unwrap();
        assert_eq!(vault.unseal(mine, &sealed).unwrap(), "ABCD");
        assert!(vault.unseal(other, &sealed).is_err());
        assert!(vault.unseal(mine, &sealed[..5]).is_err());
    }
}
