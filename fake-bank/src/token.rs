//! The Token, from the bank's own description of it: written without a look at the shop's implementation, so that each
//! checks the other.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The Token of a body: the values of everything at its root that is no object, no list and not the Token, and the
/// password, in the order of the keys, joined and hashed.
pub fn token_of(body: &Map<String, Value>, password: &str) -> String {
    let mut pairs = vec![("Password".to_owned(), password.to_owned())];
    for (key, value) in body {
        let text = match value {
            _ if key == "Token" || key == "Password" => continue,
            Value::String(text) => text.clone(),
            Value::Bool(true) => "true".to_owned(),
            Value::Bool(false) => "false".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        pairs.push((key.clone(), text));
    }
    pairs.sort();
    let joined: String = pairs.into_iter().map(|(_, text)| text).collect();
    let digest = Sha256::digest(joined.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body with its Token.
pub(crate) fn signed(mut body: Map<String, Value>, password: &str) -> Map<String, Value> {
    let token = token_of(&body, password);
    body.insert("Token".to_owned(), Value::String(token));
    body
}
