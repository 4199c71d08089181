//! What the program itself says when it must not start: one line, and nothing of what was secret.

use std::process::{Command, Output};

/// The settings of production, all but who moves the money.
const PRODUCTION: [(&str, &str); 8] = [
    ("HOMEFOOD_ENV", "production"),
    ("DATABASE_URL", "postgres://homefood@127.0.0.1:1/homefood"),
    ("NATS_URL", "nats://127.0.0.1:1"),
    ("HOMEFOOD_TOKEN_MAC_KEY", "0101010101010101010101010101010101010101010101010101010101010101"),
    ("HOMEFOOD_PII_KEK", "0202020202020202020202020202020202020202020202020202020202020202"),
    ("HOMEFOOD_GIFT_PEPPER", "0303030303030303030303030303030303030303030303030303030303030303"),
    ("HOMEFOOD_GIFT_VAULT_KEY", "0404040404040404040404040404040404040404040404040404040404040404"),
    ("HOMEFOOD_JWT_PUBLIC_KEY", "key.pem"),
];

fn start(more: &[(&str, &str)], without: &[&str]) -> Output {
    let kept = PRODUCTION.iter().filter(|(name, _)| !without.contains(name));
    Command::new(env!("CARGO_BIN_EXE_command-service"))
        .env_clear()
        .envs(kept.copied())
        .envs(more.iter().copied())
        .output()
        .expect("the program")
}

/// The one line that it ends with.
fn refusal(more: &[(&str, &str)], without: &[&str]) -> String {
    let output = start(more, without);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.trim().lines().count()), (Some(2), 1), "{said}");
    assert!(output.stdout.is_empty());
    said
}

#[test]
fn in_production_the_imitation_bank_is_nobody_to_start_with() {
    let said = refusal(&[], &[]);
    assert!(said.contains("missing TBANK_TERMINAL_KEY") && said.contains("only T-Bank moves money"), "{said}");
    // Forgetting to say where it runs opens nothing either.
    assert_eq!(refusal(&[], &["HOMEFOOD_ENV"]), said);
}

#[test]
fn a_terminal_without_its_password_is_one_clear_line() {
    let said = refusal(&[("TBANK_TERMINAL_KEY", "TerminalOfTests")], &[]);
    assert!(said.contains("missing TBANK_PASSWORD") && !said.contains("TerminalOfTests"), "{said}");
    let empty = [("TBANK_TERMINAL_KEY", "TerminalOfTests"), ("TBANK_PASSWORD", "")];
    assert_eq!(refusal(&empty, &[]), said, "set to nothing is not set");
}

#[test]
fn every_other_secret_of_production_is_asked_for_by_name() {
    let bank = [("TBANK_TERMINAL_KEY", "TerminalOfTests"), ("TBANK_PASSWORD", "hush-hush")];
    for name in ["HOMEFOOD_TOKEN_MAC_KEY", "HOMEFOOD_PII_KEK", "HOMEFOOD_GIFT_PEPPER", "HOMEFOOD_JWT_PUBLIC_KEY"] {
        let said = refusal(&bank, &[name]);
        assert!(said.contains(name) && !said.contains("hush-hush"), "{said}");
    }
    let limits = [bank[0], bank[1], ("HOMEFOOD_RATE_LIMITS", "many")];
    assert!(refusal(&limits, &[]).contains("queries=6000"), "what it should be");
    let proxies = [bank[0], bank[1], ("HOMEFOOD_TRUSTED_PROXIES", "10.0.0.1/33")];
    assert!(refusal(&proxies, &[]).contains("expected a network"), "what it should be");
}
