//! Secrets are sent signed into a hash, and shown to nobody.

use std::{
    io,
    sync::{Arc, Mutex},
};

use fake_bank::{Fault, FaultRule, Operation as Call};
use shared::domain::payment::CaptureMode;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_line_and_no_error_carries_a_secret() {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let wired = wired().await;
    let mut said = String::new();
    let echo = format!("terminal {TERMINAL} password {PASSWORD} {PREVIOUS} card 4300000000000777");
    for fault in [
        Fault::Code { code: "204".to_owned(), message: echo.clone() },
        Fault::Code { code: "8765".to_owned(), message: echo.clone() },
        Fault::StatusBefore { status: 500 },
        Fault::DropBefore,
        Fault::GarbageAfter,
    ] {
        wired.bank.misbehave(FaultRule::next(Call::Init, fault));
        let request = wired.request(PaymentId(Uuid::now_v7()), 10_000, CaptureMode::OnPayment);
        let error = wired.tbank.init(&ctx(), &request).await.unwrap_err();
        said.push_str(&format!("{error} {error:?}"));
    }
    let nowhere = Tbank::new(options("http://127.0.0.1:1/v2"), wired.clock.clone()).unwrap();
    let (_, session) = wired.opened(10_000, CaptureMode::OnPayment).await;
    let error = nowhere.get_state(&ctx(), &session.provider_payment_id).await.unwrap_err();
    said.push_str(&format!("{error} {error:?} {:?}", nowhere.read_notification(echo.as_bytes())));
    said.push_str(&String::from_utf8_lossy(&lines.0.lock().unwrap()));
    for secret in [PASSWORD, PREVIOUS, TERMINAL, "4300000000000777"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("8765"), "what is no secret is told: {said}");
}

#[test]
fn settings_do_not_print_secrets() {
    #[derive(clap::Parser, Debug)]
    struct Program {
        #[command(flatten)]
        tbank: TbankArgs,
    }
    let arguments =
        ["x", "--tbank-terminal-key", TERMINAL, "--tbank-password", PASSWORD, "--tbank-password-previous", PREVIOUS];
    let program = <Program as clap::Parser>::try_parse_from(arguments).unwrap();
    let printed = format!("{program:?}");
    for secret in [PASSWORD, PREVIOUS, TERMINAL] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(program.tbank.options("http://x/", true).unwrap().is_some());
    let without = <Program as clap::Parser>::try_parse_from(["x", "--tbank-terminal-key", TERMINAL]).unwrap();
    if std::env::var_os("TBANK_PASSWORD").is_none() {
        assert!(without.tbank.options("http://x", false).is_err());
    }
    let plain = ["x", "--tbank-terminal-key", "T", "--tbank-password", "P", "--tbank-api-url", "http://bank"];
    let plain = <Program as clap::Parser>::try_parse_from(plain).unwrap();
    assert!(plain.tbank.options("http://x", true).is_ok() && plain.tbank.options("http://x", false).is_err());
}
