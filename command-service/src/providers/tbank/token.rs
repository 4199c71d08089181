//! The Token: SHA-256 over the values of all root scalars and the password, in the order of their names.

use std::{borrow::Cow, fmt::Write};

use sha2::{Digest, Sha256};
use shared::runtime::Secret;
use subtle::ConstantTimeEq;

use super::fields::Fields;

/// The name that the token itself has, which is no part of what it is made of.
pub(super) const TOKEN: &str = "Token";
/// The name that the password is sorted in under.
const PASSWORD: &str = "Password";

/// The token of these root scalars, in lower-case hex. There is no list of members that count: whatever is at the root
/// does, also what was added to the protocol yesterday.
pub(super) fn token<'a>(scalars: impl Iterator<Item = (&'a str, Cow<'a, str>)>, password: &Secret) -> String {
    let mut parts: Vec<(&str, Cow<'_, str>)> =
        scalars.filter(|(name, _)| *name != TOKEN && *name != PASSWORD).collect();
    parts.push((PASSWORD, Cow::Borrowed(password.expose())));
    parts.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
    let mut hash = Sha256::new();
    for (_, value) in &parts {
        hash.update(value.as_bytes());
    }
    hex(&hash.finalize())
}

/// Whether one of the passwords made the token. It takes as long for a wrong one as for the right one.
pub(super) fn is_genuine(fields: &Fields, passwords: &[Secret]) -> bool {
    let Some(given) = fields.text(TOKEN) else { return false };
    let given = given.to_ascii_lowercase();
    let mut found = subtle::Choice::from(0);
    for password in passwords {
        found |= token(fields.scalars(), password).as_bytes().ct_eq(given.as_bytes());
    }
    found.into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
