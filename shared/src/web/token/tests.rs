use super::*;
use crate::web::auth::Role;
use jsonwebtoken::{EncodingKey, Header, encode, jwk::JwkSet};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

fn settings(dev_key_file: PathBuf) -> JwtSettings {
    JwtSettings {
        algorithm: JwtAlgorithm::EdDsa,
        issuer: "homefood".into(),
        audience: "api".into(),
        jwks: None,
        public_key: None,
        dev_key_file,
    }
}

/// An issuer of its own key.
fn issuer() -> DevIssuer {
    let folder = TempDir::new().expect("a folder");
    DevIssuer::load_or_create(&settings(folder.path().join("key.pem"))).expect("a key")
}

fn authenticator(jwks: JwkSet) -> Authenticator {
    let keys = KeySet::from_jwks(&jwks, Algorithm::EdDSA).expect("usable");
    Authenticator::new(&settings(PathBuf::new()), KeySource::Fixed(jwks), keys, None)
}

fn trusting(issuer: &DevIssuer) -> Authenticator {
    authenticator(issuer.public_keys().expect("keys"))
}

fn user() -> UserId {
    UserId(Uuid::from_u128(7))
}

fn claims() -> Value {
    json!({"iss": "homefood", "aud": "api", "sub": user(), "exp": NOW + 600, "roles": ["customer"]})
}

fn header(issuer: &DevIssuer) -> Header {
    Header { kid: Some(issuer.kid.clone()), ..Header::new(Algorithm::EdDSA) }
}

fn sign(issuer: &DevIssuer, claims: &Value) -> String {
    encode(&header(issuer), claims, &issuer.key).expect("signed")
}

/// The claims of a good token, with these instead.
fn with(change: Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

async fn check(claims: Value, refused: TokenError) {
    let issuer = issuer();
    let answer = trusting(&issuer).authenticate_at(&sign(&issuer, &claims), NOW).await;
    assert_eq!(answer, Err(refused), "{claims}");
}

#[tokio::test]
async fn a_good_token_tells_who_its_bearer_is() {
    let issuer = issuer();
    let kitchen = ProducerId(Uuid::from_u128(9));
    let claims =
        with(json!({"roles": ["producer", "customer", "astronaut"], "producer_id": kitchen, "aud": ["x", "api"]}));
    let principal = trusting(&issuer).authenticate_at(&sign(&issuer, &claims), NOW).await.expect("believed");
    assert_eq!((principal.user_id, principal.producer_id), (user(), Some(kitchen)));
    assert!(principal.is(Role::Customer) && principal.is(Role::Producer) && !principal.is(Role::Admin));
}

#[tokio::test]
async fn claims_that_are_wrong_or_absent_are_refused() {
    check(with(json!({"iss": "someone"})), TokenError::WrongIssuer).await;
    check(with(json!({"aud": "someone"})), TokenError::WrongAudience).await;
    check(with(json!({"exp": NOW - 30})), TokenError::Expired).await;
    check(with(json!({"nbf": NOW + 31})), TokenError::NotYetValid).await;
    check(with(json!({"sub": "alice"})), TokenError::MissingClaim).await;
    check(with(json!({"exp": "soon"})), TokenError::MissingClaim).await;
    for name in ["iss", "aud", "sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(name);
        check(claims, TokenError::MissingClaim).await;
    }
}

#[tokio::test]
async fn thirty_seconds_of_another_clock_are_forgiven() {
    let issuer = issuer();
    let trusting = trusting(&issuer);
    for change in [json!({"exp": NOW - 29}), json!({"nbf": NOW + 30}), json!({"exp": u64::MAX})] {
        assert!(trusting.authenticate_at(&sign(&issuer, &with(change)), NOW).await.is_ok());
    }
}

#[tokio::test]
async fn a_remembered_token_expires_all_the_same() {
    let issuer = issuer();
    let trusting = trusting(&issuer);
    let token = sign(&issuer, &claims());
    assert!(trusting.authenticate_at(&token, NOW).await.is_ok());
    assert!(trusting.authenticate_at(&token, NOW + 629).await.is_ok());
    assert_eq!(trusting.authenticate_at(&token, NOW + 630).await, Err(TokenError::Expired));
}

#[tokio::test]
async fn the_header_does_not_choose_the_algorithm() {
    let issuer = issuer();
    let trusting = trusting(&issuer);
    let jwk = issuer.public_keys().expect("keys").keys.remove(0);
    let public = keys_bytes(&jwk);
    // The public key, known to all, as the secret of a code.
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let header = Header { kid: Some(issuer.kid.clone()), ..Header::new(algorithm) };
        let token = encode(&header, &claims(), &EncodingKey::from_secret(&public)).expect("signed");
        assert_eq!(trusting.authenticate_at(&token, NOW).await, Err(TokenError::WrongAlgorithm));
    }
    let body = sign(&issuer, &claims());
    let body = body.split('.').nth(1).expect("a body");
    for (header, refused) in [
        (json!({"alg": "RS256", "kid": issuer.kid}), TokenError::WrongAlgorithm),
        (json!({"alg": "none"}), TokenError::Malformed),
        (json!({"alg": "EdDSA", "kid": issuer.kid}), TokenError::BadSignature),
    ] {
        let token = format!("{}.{body}.", encoded(&header));
        assert_eq!(trusting.authenticate_at(&token, NOW).await, Err(refused), "{header}");
    }
}

fn encoded(value: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn keys_bytes(jwk: &jsonwebtoken::jwk::Jwk) -> Vec<u8> {
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).expect("a key");
    key.try_get_as_bytes().expect("bytes").to_vec()
}

#[tokio::test]
async fn a_header_that_brings_its_own_key_is_refused() {
    let issuer = issuer();
    let trusting = trusting(&issuer);
    let strange = [
        Header { jku: Some("https://evil.example/keys".into()), ..header(&issuer) },
        Header { x5u: Some("https://evil.example/cert".into()), ..header(&issuer) },
        Header { jwk: Some(issuer.public_keys().expect("keys").keys.remove(0)), ..header(&issuer) },
        Header { crit: Some(vec!["b64".into()]), ..header(&issuer) },
    ];
    for header in strange {
        let token = encode(&header, &claims(), &issuer.key).expect("signed");
        assert_eq!(trusting.authenticate_at(&token, NOW).await, Err(TokenError::Malformed), "{header:?}");
    }
}

#[tokio::test]
async fn strangers_and_forgers_are_refused() {
    let (issuer, stranger) = (issuer(), issuer());
    let trusting = trusting(&issuer);
    assert_eq!(trusting.authenticate_at(&sign(&stranger, &claims()), NOW).await, Err(TokenError::UnknownKey));
    let posing = encode(&header(&issuer), &claims(), &stranger.key).expect("signed");
    assert_eq!(trusting.authenticate_at(&posing, NOW).await, Err(TokenError::BadSignature));
    let good = sign(&issuer, &claims());
    let mut parts: Vec<&str> = good.split('.').collect();
    let admin = encoded(&with(json!({"roles": ["admin"]})));
    parts[1] = &admin;
    assert_eq!(trusting.authenticate_at(&parts.join("."), NOW).await, Err(TokenError::BadSignature));
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    for malformed in ["", "a", "a.b", "a.b.c", "..", "a.b.c.d", "é.é.é", &long] {
        assert_eq!(trusting.authenticate_at(malformed, NOW).await, Err(TokenError::Malformed));
    }
}

#[tokio::test]
async fn a_token_without_a_key_name_needs_the_only_key() {
    let (first, second) = (issuer(), issuer());
    let token = encode(&Header::new(Algorithm::EdDSA), &claims(), &first.key).expect("signed");
    assert!(trusting(&first).authenticate_at(&token, NOW).await.is_ok());
    let mut jwks = first.public_keys().expect("keys");
    jwks.keys.append(&mut second.public_keys().expect("keys").keys);
    assert_eq!(authenticator(jwks).authenticate_at(&token, NOW).await, Err(TokenError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn keys_rotate_and_the_last_good_set_stays() {
    let (old, new) = (issuer(), issuer());
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("jwks.json");
    let publish = |text: String| std::fs::write(&path, text).expect("written");
    let jwks = |issuer: &DevIssuer| serde_json::to_string(&issuer.public_keys().expect("keys")).expect("JSON");
    publish(jwks(&old));
    let source = KeySource::jwks(path.to_str().expect("text")).expect("a file");
    let keys = source.load(Algorithm::EdDSA).await.expect("keys");
    let authenticator = Authenticator::new(&settings(PathBuf::new()), source, keys, None);
    let (old_token, new_token) = (sign(&old, &claims()), sign(&new, &claims()));
    assert!(authenticator.authenticate_at(&old_token, NOW).await.is_ok());

    publish(jwks(&new));
    assert_eq!(authenticator.authenticate_at(&new_token, NOW).await, Err(TokenError::UnknownKey), "asked too often");
    tokio::time::advance(REFRESH_PAUSE).await;
    assert!(authenticator.authenticate_at(&new_token, NOW).await.is_ok());
    assert_eq!(authenticator.authenticate_at(&old_token, NOW).await, Err(TokenError::UnknownKey), "withdrawn");

    publish("nonsense".into());
    tokio::time::advance(REFRESH_AFTER).await;
    let another = sign(&new, &with(json!({"jti": "another"})));
    assert!(authenticator.authenticate_at(&another, NOW).await.is_ok());
}

#[test]
fn keys_of_another_kind_are_left_out() {
    let good = serde_json::to_value(issuer().public_keys().expect("keys").keys.remove(0)).expect("JSON");
    let usable = |change: Value| {
        let mut jwk = good.clone();
        for (name, value) in change.as_object().expect("an object") {
            jwk[name] = value.clone();
        }
        let jwks: JwkSet = serde_json::from_value(json!({"keys": [jwk]})).expect("a set");
        KeySet::from_jwks(&jwks, Algorithm::EdDSA).is_ok()
    };
    assert!(usable(json!({})) && usable(json!({"use": "sig"})));
    // A short key would make the verifier panic.
    assert!(!usable(json!({"x": "AAAA"})) && !usable(json!({"x": "!"})));
    assert!(!usable(json!({"use": "enc"})) && !usable(json!({"alg": "ES256"})));
    assert!(!usable(json!({"kty": "oct", "k": "AAAA", "alg": "HS256"})));
}

/// A token signed elsewhere, and the public half of the key it was signed with.
const RSA_MODULUS: &str = concat!(
    "uCixgOBqPa8_8W6gMcGx8kLQP_NDf8efp-QoUPVN-8V7xgFogircr7NtobQ9Vjm3AQoF5CGzwv6cCwsbkg5kRJsKCUSAxYRjr7s5",
    "BFJiYFujsT7hG_-CpYcZL7HrJEKgUxJAhb0E555p97JMX6VldDevPXz39bYMkduPExAKjy3q60DrZpo06cBjbQHGdqUEl_hpbwCE",
    "82JAmzQaF0ttN4EYbe8O3Iyl6KD-ekloOP0aiOdtmMTxBOg7QY0RJyV8svgzkRcF0WNxL5g2VoUY8qIDbFgp_q1I_V2ALluuxRHs",
    "9a1BVO1Z52p0qEZPSBS0CvfEibjiLYJZfqeCywPXTw",
);
const RSA_TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIn0.eyJpc3MiOiJob21lZm9vZCIsImF1ZCI6ImFwaSIsInN1YiI6IjAwMDAwMDAw",
    "LTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwNyIsImV4cCI6MTgwMDAwMDYwMH0.CnE6A9R7Rr_iNzXCw-rSunCHDBwnl3wWUADw",
    "oy02HdCA7wbXWIPP_ba3GqtJDD9uyryzPg_BmD33XYlbYXufE3p8pcN19Ehu_ietwiLzEBV99VZnmwVOEROh1yv34B2oL96Ojtaz",
    "TSRpht2M0Gu2tqY8DC4nI1-C1nnZjKVyiWZ8y7Iuj4hnID2XFIJbJtU_2dABnzW4MlZUECnyTipjgrsxFLjHHIXJgEePTMjQ1bkq",
    "U6PrbUd4rGv9ypotR_wuRZfp_ierZW7J8kJ-z_uQ523h73VjQnRLvF7TSZPz99JvopYNEaLqr3vmRIhPMQvvWg82ibC-_-BLtgZf",
    "wP5--w",
);

#[tokio::test]
async fn rsa_signatures_are_checked_too() {
    let jwks = |modulus: &str| {
        let key = json!({"kty": "RSA", "kid": "rsa-1", "n": modulus, "e": "AQAB"});
        serde_json::from_value::<JwkSet>(json!({"keys": [key]})).expect("a set")
    };
    let keys = KeySet::from_jwks(&jwks(RSA_MODULUS), Algorithm::RS256).expect("usable");
    let settings = JwtSettings { algorithm: JwtAlgorithm::Rs256, ..settings(PathBuf::new()) };
    let authenticator = Authenticator::new(&settings, KeySource::Fixed(jwks(RSA_MODULUS)), keys, None);
    assert_eq!(authenticator.authenticate_at(RSA_TOKEN, NOW).await.map(|principal| principal.user_id), Ok(user()));
    let (body, signature) = RSA_TOKEN.rsplit_once('.').expect("a signature");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{body}.{other}{}", &signature[1..]);
    assert_eq!(authenticator.authenticate_at(&forged, NOW).await, Err(TokenError::BadSignature));
    assert!(KeySet::from_jwks(&jwks(&RSA_MODULUS[..170]), Algorithm::RS256).is_err(), "1,024 bits are too few");
}

#[tokio::test]
async fn development_keeps_one_key_for_all_who_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("a folder");
    let jwt = settings(folder.path().join("deep/key.pem"));
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let jwt = jwt.clone();
            std::thread::spawn(move || DevIssuer::load_or_create(&jwt).expect("a key").kid)
        })
        .collect();
    let kids: Vec<String> = starts.into_iter().map(|start| start.join().expect("ends")).collect();
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    let mode = std::fs::metadata(&jwt.dev_key_file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path().join("deep")).expect("a folder").count(), 1, "no drafts are left");

    let issuer = DevIssuer::load_or_create(&jwt).expect("a key");
    let roles = Roles::default().with(Role::Admin);
    let grant = Grant { user_id: user(), roles, producer_id: None, lifetime: Duration::from_secs(60) };
    let principal = trusting(&issuer).authenticate(&issuer.mint(&grant).expect("minted")).await.expect("believed");
    assert_eq!((principal.user_id, principal.roles), (user(), roles));
}
