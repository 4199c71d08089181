//! Values a caller carries for us and cannot make: consistency tokens and cursors.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::problem::Problem;
use crate::runtime::settings::Key32;

/// Bytes of the authentication code that are sent.
const MAC_BYTES: usize = 16;
/// Bytes of a sealed position.
const POSITION_BYTES: usize = 8;
/// Bytes of a sealed cursor: sort key, id, filter.
const CURSOR_BYTES: usize = 8 + 16 + 8;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the last row of the page was created, in microseconds.
    pub sort_micros: i64,
    /// The last row of the page.
    pub id: Uuid,
}

/// What a value is for: one kind cannot stand where another belongs.
#[derive(Clone, Copy)]
enum Kind {
    Position = 1,
    Cursor = 2,
}

/// Seals values and opens them again. Both services hold the same key.
#[derive(Clone)]
pub struct OpaqueKey {
    mac: Hmac<Sha256>,
}

impl OpaqueKey {
    /// Seals with this key.
    pub fn new(key: &Key32) -> Self {
        // A key of any length is accepted; the error exists for other kinds of codes.
        Self { mac: Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length") }
    }

    /// A consistency token: a position in the log.
    pub fn seal_position(&self, position: u64) -> String {
        self.seal(Kind::Position, &position.to_be_bytes())
    }

    /// The position a consistency token stands for.
    pub fn open_position(&self, token: &str) -> Result<u64, Problem> {
        let bytes: [u8; POSITION_BYTES] = self.open(Kind::Position, token).ok_or_else(|| {
            let detail = "the Consistency-Token was not made by this service";
            Problem::validation("", "invalid_consistency_token", detail)
        })?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// A cursor that is good for this filter only.
    pub fn seal_cursor(&self, cursor: Cursor, filter: &impl Serialize) -> String {
        let mut bytes = [0; CURSOR_BYTES];
        bytes[..8].copy_from_slice(&cursor.sort_micros.to_be_bytes());
        bytes[8..24].copy_from_slice(cursor.id.as_bytes());
        bytes[24..].copy_from_slice(&filter_hash(filter));
        self.seal(Kind::Cursor, &bytes)
    }

    /// Where the page before ended, if it was a page of the same filter.
    pub fn open_cursor(&self, text: &str, filter: &impl Serialize) -> Result<Cursor, Problem> {
        let wrong = |code: &'static str, detail: &str| Problem::validation("/cursor", code, detail);
        let bytes: [u8; CURSOR_BYTES] = self
            .open(Kind::Cursor, text)
            .ok_or_else(|| wrong("invalid_cursor", "the cursor was not made by this service"))?;
        let (sort_key, rest) = bytes.split_at(8);
        let (id, hash) = rest.split_at(16);
        if hash != filter_hash(filter) {
            return Err(wrong("filter_changed", "the cursor belongs to another filter; start from the first page"));
        }
        let sort_micros = sort_key.iter().fold(0, |micros, byte| micros << 8 | i64::from(*byte));
        Ok(Cursor { sort_micros, id: Uuid::from_slice(id).unwrap_or_default() })
    }

    fn seal(&self, kind: Kind, payload: &[u8]) -> String {
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(&self.code(kind, payload));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open<const N: usize>(&self, kind: Kind, text: &str) -> Option<[u8; N]> {
        // Decoding refuses padding and stray bits, so one value has one text.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == N + MAC_BYTES)?;
        let (payload, code) = bytes.split_at(N);
        let genuine: bool = self.code(kind, payload).ct_eq(code).into();
        payload.try_into().ok().filter(|_| genuine)
    }

    fn code(&self, kind: Kind, payload: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = self.mac.clone();
        mac.update(&[kind as u8]);
        mac.update(payload);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut code = [0; MAC_BYTES];
        code.copy_from_slice(&full[..MAC_BYTES]);
        code
    }
}

fn filter_hash(filter: &impl Serialize) -> [u8; 8] {
    let mut hash = [0; 8];
    // A filter is a plain struct of parameters; one that cannot be written would equal only itself.
    let text = serde_json::to_vec(filter).unwrap_or_default();
    hash.copy_from_slice(&Sha256::digest(text)[..8]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> OpaqueKey {
        OpaqueKey::new(&Key32::well_known("test"))
    }

    #[test]
    fn what_was_sealed_can_be_opened() {
        for position in [0, 1, u64::MAX] {
            assert_eq!(key().open_position(&key().seal_position(position)).ok(), Some(position));
        }
        for sort_micros in [i64::MIN, -1, 0, 1_700_000_000_000_000, i64::MAX] {
            let cursor = Cursor { sort_micros, id: Uuid::now_v7() };
            let text = key().seal_cursor(cursor, &("PAID", 20));
            assert_eq!(key().open_cursor(&text, &("PAID", 20)).ok(), Some(cursor));
        }
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed() {
        let token = URL_SAFE_NO_PAD.decode(key().seal_position(1_000)).expect("base64");
        for bit in 0..token.len() * 8 {
            let mut forged = token.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open_position(&URL_SAFE_NO_PAD.encode(forged)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let other = OpaqueKey::new(&Key32::well_known("another"));
        let cursor = key().seal_cursor(Cursor { sort_micros: 1, id: Uuid::nil() }, &());
        let sealed = key().seal_position(1);
        let (longer, padded) = (format!("{sealed}AAAA"), format!("{sealed}="));
        for wrong in ["", "1000", "не токен", &other.seal_position(1), &cursor, &longer, &padded] {
            assert!(key().open_position(wrong).is_err(), "{wrong}");
        }
        let problem = key().open_cursor(&sealed, &()).expect_err("a position is no cursor");
        assert_eq!(problem.details().errors[0].code, "invalid_cursor");
    }

    #[test]
    fn a_cursor_is_good_for_its_filter_only() {
        let text = key().seal_cursor(Cursor { sort_micros: 1, id: Uuid::nil() }, &("PAID",));
        let problem = key().open_cursor(&text, &("READY",)).expect_err("another filter");
        assert_eq!(problem.details().errors[0].code, "filter_changed");
    }
}
