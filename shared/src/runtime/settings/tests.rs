use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct TestSettings {
    #[command(flatten)]
    shared: SharedSettings,
}

impl Settings for TestSettings {
    fn check(&self) -> Result<(), SettingsError> {
        self.shared.check()
    }
}

const DEVELOPMENT: &[&str] =
    &["--database-url", "postgres://user:hush@db/x", "--nats-url", "nats://n", "--environment", "development"];

fn parse(arguments: &[&str]) -> Result<TestSettings, SettingsError> {
    parse_from(std::iter::once("homefood").chain(arguments.iter().copied()).map(OsString::from))
}

#[track_caller]
fn check_refused(arguments: &[&str], names: &str) {
    let error = parse(arguments).expect_err("refused");
    let line = error.to_string();
    assert!(line.contains(names), "{line}");
    assert!(!line.contains('\n') && !line.contains("hush"), "{line}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn development_needs_only_the_two_addresses() {
    let settings = parse(DEVELOPMENT).expect("parses").shared;
    assert_eq!(settings.listen_or(8081).to_string(), "0.0.0.0:8081");
    assert_ne!(settings.token_mac_key(), settings.pii_kek());
}

#[test]
fn a_missing_or_wrong_setting_is_named_in_one_line() {
    if std::env::var_os("DATABASE_URL").is_none() {
        check_refused(&["--nats-url", "nats://n"], "DATABASE_URL");
    }
    check_refused(&["--database-url", "", "--nats-url", "nats://n"], "DATABASE_URL");
    check_refused(&[DEVELOPMENT, &["--listen", "hush"]].concat(), "HOMEFOOD_LISTEN");
    check_refused(&[DEVELOPMENT, &["--token-mac-key", "hush"]].concat(), "HOMEFOOD_TOKEN_MAC_KEY");
    check_refused(&[DEVELOPMENT, &["--jwt-algorithm", "none"]].concat(), "EdDSA, RS256");
    check_refused(&[DEVELOPMENT, &["--jwt-jwks", "a", "--jwt-public-key", "b"]].concat(), "HOMEFOOD_JWT_JWKS");
    check_refused(&[DEVELOPMENT, &["--nonsense"]].concat(), "--nonsense");
}

#[test]
fn production_has_no_default_keys() {
    let key: Key32 = "00".repeat(32).parse().expect("a key");
    let mut settings = parse(DEVELOPMENT).expect("parses").shared;
    settings.environment = Environment::Production;
    (settings.token_mac_key, settings.pii_kek, settings.jwt.jwks, settings.jwt.public_key) = (None, None, None, None);
    let mut check_missing = |name: &str, set: fn(&mut SharedSettings, Key32)| {
        let line = settings.check().expect_err("refused").to_string();
        assert!(line.contains(name), "{line}");
        set(&mut settings, key.clone());
    };
    check_missing("HOMEFOOD_TOKEN_MAC_KEY", |settings, key| settings.token_mac_key = Some(key));
    check_missing("HOMEFOOD_PII_KEK", |settings, key| settings.pii_kek = Some(key));
    check_missing("HOMEFOOD_JWT_JWKS", |settings, _| settings.jwt.jwks = Some("keys.json".into()));
    assert_eq!(settings.check(), Ok(()));
}

#[test]
fn secrets_are_not_printed() {
    let settings = parse(&[DEVELOPMENT, &["--pii-kek", &"ab".repeat(32)]].concat()).expect("parses");
    let printed = format!("{settings:?}");
    assert!(!printed.contains("hush") && !printed.contains("171"), "{printed}");
}

#[test]
fn keys_are_32_bytes_in_hex_or_base64() {
    let hex: Key32 = "ab".repeat(32).parse().expect("hex");
    let base64: Key32 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".parse().expect("base64");
    assert_eq!(hex, base64);
    for wrong in ["", "abc", &"ab".repeat(31), &"zz".repeat(32), &"é".repeat(32)] {
        assert_eq!(wrong.parse::<Key32>(), Err(secret::ParseKeyError), "{wrong}");
    }
}

#[test]
fn help_is_not_an_error_of_the_caller() {
    assert_eq!(parse(&["--help"]).expect_err("help").exit_code(), 0);
}
