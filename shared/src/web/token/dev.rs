//! The issuer of development: a key made at the first start and kept in a file both services read.

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet, ThumbprintHash},
};
use serde::Serialize;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};
use uuid::Uuid;

use super::{KeySetError, unix_now};
use crate::{
    domain::{ProducerId, UserId},
    runtime::settings::JwtSettings,
    web::auth::Roles,
};

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a token is to say of its bearer.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The person.
    pub user_id: UserId,
    /// What the person may be.
    pub roles: Roles,
    /// The kitchen, for a producer.
    pub producer_id: Option<ProducerId>,
    /// How long the token is good.
    pub lifetime: Duration,
}

#[derive(Serialize)]
struct DevClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    roles: Roles,
    #[serde(skip_serializing_if = "Option::is_none")]
    producer_id: Option<ProducerId>,
    iat: u64,
    exp: u64,
    jti: Uuid,
}

/// Issues tokens in development.
pub struct DevIssuer {
    pub(super) key: EncodingKey,
    pub(super) kid: String,
    issuer: String,
    audience: String,
}

impl DevIssuer {
    /// Reads the key file, or makes it. Two services that start together end up with the same key.
    pub fn load_or_create(jwt: &JwtSettings) -> Result<Self, KeySetError> {
        let path = &jwt.dev_key_file;
        let failed = |cause| KeySetError::File { path: path.clone(), cause };
        let pem = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(failed)?,
            read => read.map_err(failed)?,
        };
        let key = EncodingKey::from_ed_pem(&pem)?;
        let mut issuer = Self { key, kid: String::new(), issuer: jwt.issuer.clone(), audience: jwt.audience.clone() };
        issuer.kid = issuer.jwk()?.thumbprint(ThumbprintHash::SHA256)?;
        Ok(issuer)
    }

    /// What the services verify this issuer's tokens with.
    pub fn public_keys(&self) -> Result<JwkSet, KeySetError> {
        let mut jwk = self.jwk()?;
        jwk.common.key_id = Some(self.kid.clone());
        Ok(JwkSet { keys: vec![jwk] })
    }

    /// A token that says `grant` of its bearer.
    pub fn mint(&self, grant: &Grant) -> Result<String, KeySetError> {
        let now = unix_now();
        let claims = DevClaims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: grant.user_id,
            roles: grant.roles,
            producer_id: grant.producer_id,
            iat: now,
            exp: now + grant.lifetime.as_secs(),
            jti: Uuid::now_v7(),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        Ok(encode(&header, &claims, &self.key)?)
    }

    fn jwk(&self) -> Result<Jwk, KeySetError> {
        Ok(Jwk::from_encoding_key(&self.key, Algorithm::EdDSA)?)
    }
}

/// A new key, put in place whole and only if there is none; answers the key that is in place.
fn create(path: &Path) -> io::Result<Vec<u8>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".dev-key-{}", Uuid::now_v7()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(new_key_pem().as_bytes())?;
    file.sync_all()?;
    // Unlike a rename, a link fails when another process was faster.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read(path),
    }
}

fn new_key_pem() -> String {
    let mut der = PKCS8_PREFIX.to_vec();
    der.extend_from_slice(&rand::random::<[u8; 32]>());
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}
