//! The issuer's public keys and where they come from.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use std::{collections::HashMap, path::PathBuf, time::Duration};

/// How long the issuer may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// RSA keys shorter than this can be broken.
const RSA_BYTES_MIN: usize = 2_048 / 8;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The issuer does not answer.
    #[error("the issuer does not answer: {0}")]
    Fetch(#[from] reqwest::Error),
    /// The text is no JWKS.
    #[error("not a JSON web key set: {0}")]
    NotJwks(#[from] serde_json::Error),
    /// The text is no key.
    #[error("not a usable key: {0}")]
    NotKey(#[from] jsonwebtoken::errors::Error),
    /// None of the keys fits the pinned algorithm.
    #[error("no key is usable with {0:?}")]
    NoneUsable(Algorithm),
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// They are known and stay.
    Fixed(JwkSet),
    /// One key in a PEM file, read once.
    Pem(PathBuf),
    /// A JWKS file, read again when a key is unknown.
    JwksFile(PathBuf),
    /// The issuer's JWKS address.
    JwksUrl(reqwest::Client, String),
}

impl KeySource {
    /// An address if it looks like one, else a file.
    pub fn jwks(place: &str) -> Result<Self, KeySetError> {
        if place.starts_with("https://") || place.starts_with("http://") {
            let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
            Ok(Self::JwksUrl(client, place.to_owned()))
        } else {
            Ok(Self::JwksFile(place.into()))
        }
    }

    /// Whether reading again can give other keys.
    pub fn can_change(&self) -> bool {
        matches!(self, Self::JwksFile(_) | Self::JwksUrl(..))
    }

    /// Reads the keys.
    pub async fn load(&self, algorithm: Algorithm) -> Result<KeySet, KeySetError> {
        let read = async |path: &PathBuf| {
            tokio::fs::read(path).await.map_err(|cause| KeySetError::File { path: path.clone(), cause })
        };
        match self {
            Self::Fixed(jwks) => KeySet::from_jwks(jwks, algorithm),
            Self::Pem(path) => KeySet::from_pem(&read(path).await?, algorithm),
            Self::JwksFile(path) => KeySet::from_jwks(&serde_json::from_slice(&read(path).await?)?, algorithm),
            Self::JwksUrl(client, url) => {
                let answer = client.get(url).send().await?.error_for_status()?.bytes().await?;
                KeySet::from_jwks(&serde_json::from_slice(&answer)?, algorithm)
            }
        }
    }
}

/// The keys that fit the pinned algorithm.
#[derive(Debug, Clone)]
pub struct KeySet {
    by_kid: HashMap<String, DecodingKey>,
    /// The only key there is: good for tokens that name none.
    only: Option<DecodingKey>,
    /// A PEM file says nothing of names, so its key is good for every name.
    ignores_kid: bool,
    /// What the set was read from, to see whether it has changed.
    written: String,
}

impl KeySet {
    /// The usable keys of a JWKS; keys for other algorithms or uses are left out.
    pub fn from_jwks(jwks: &JwkSet, algorithm: Algorithm) -> Result<Self, KeySetError> {
        let usable: Vec<&Jwk> = jwks.keys.iter().filter(|jwk| is_usable(jwk, algorithm)).collect();
        let only = match usable.as_slice() {
            [] => return Err(KeySetError::NoneUsable(algorithm)),
            [jwk] => Some(DecodingKey::from_jwk(jwk)?),
            _ => None,
        };
        let mut by_kid = HashMap::new();
        for jwk in &usable {
            if let Some(kid) = &jwk.common.key_id {
                by_kid.insert(kid.clone(), DecodingKey::from_jwk(jwk)?);
            }
        }
        Ok(Self { by_kid, only, ignores_kid: false, written: serde_json::to_string(&usable)? })
    }

    /// One public key.
    pub fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeySetError> {
        let key = match algorithm {
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem)?,
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem)?,
            other => return Err(KeySetError::NoneUsable(other)),
        };
        let written = String::from_utf8_lossy(pem).into_owned();
        Ok(Self { by_kid: HashMap::new(), only: Some(key), ignores_kid: true, written })
    }

    /// The key of this name; without a name, the only one.
    pub fn find(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        match kid {
            Some(kid) if !self.ignores_kid => self.by_kid.get(kid),
            Some(_) | None => self.only.as_ref(),
        }
    }

    /// Whether both hold the same keys.
    pub fn same_as(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// Whether a key may verify tokens signed with `algorithm`. Its length is checked here: the verifier trusts it.
fn is_usable(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let for_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = jwk.common.key_algorithm.as_ref().is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    let length = |text: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len())
    };
    let fits = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) => {
            algorithm.family() == AlgorithmFamily::Ed && key.curve == EllipticCurve::Ed25519 && length(&key.x) == 32
        }
        AlgorithmParameters::RSA(key) => {
            algorithm.family() == AlgorithmFamily::Rsa && length(&key.n) >= RSA_BYTES_MIN && length(&key.e) > 0
        }
        // Shared secrets above all: a public key must never become one.
        _ => false,
    };
    for_signing && named && fits
}
