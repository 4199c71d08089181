//! One call: sign, send, read a bounded answer, and say what a failure means.

use std::{borrow::Cow, error::Error as _, time::Duration};

use serde_json::{Map, Value};
use shared::runtime::{BoxError, Clock, Secret};

use super::{
    codes,
    fields::Fields,
    options::TbankOptions,
    token::{TOKEN, token},
};
use crate::providers::{CallCtx, ErrorClass, ProviderError};

/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The rest after "too many requests" when the bank names none, and the longest that is believed.
const RATE_LIMIT_REST: Duration = Duration::from_secs(60);
const RATE_LIMIT_REST_MAX: Duration = Duration::from_secs(3_600);
/// Characters of the bank's own message that are kept.
const MESSAGE_CHARS_MAX: usize = 140;
/// Digits in a row that may be a card's number, so that they are not kept.
const DIGITS_MAX: usize = 6;
/// The codes that are no refusal.
const FINE: [&str; 2] = ["0", "1085"];

/// The way to the bank.
pub(super) struct Wire {
    http: reqwest::Client,
    options: TbankOptions,
    clock: Clock,
}

impl Wire {
    /// No redirects: a body with a Token goes to the bank and to nobody else.
    pub fn new(options: TbankOptions, clock: Clock) -> Result<Self, BoxError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(reqwest::Error::without_url)?;
        Ok(Self { http, options, clock })
    }

    pub fn options(&self) -> &TbankOptions {
        &self.options
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Makes the call `method`; the answer is one that the bank calls a success.
    pub async fn call(&self, ctx: &CallCtx, method: &str, body: Map<String, Value>) -> Result<Fields, ProviderError> {
        let answer = self.exchange(ctx, method, body).await?;
        match self.refusal(&answer) {
            None => Ok(answer),
            Some(error) => Err(error),
        }
    }

    /// Makes the call `method`; the answer may be a refusal.
    pub async fn exchange(
        &self,
        ctx: &CallCtx,
        method: &str,
        body: Map<String, Value>,
    ) -> Result<Fields, ProviderError> {
        let request = self
            .http
            .post(format!("{}/{method}", self.options.api_url))
            .timeout(self.options.call_limit.min(ctx.deadline.saturating_duration_since(tokio::time::Instant::now())))
            .header("Content-Type", "application/json")
            .body(self.sign(body));
        let request = match &ctx.traceparent {
            Some(traceparent) => request.header("traceparent", traceparent.as_ref()),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| not_answered(&error))?;
        let status = response.status().as_u16();
        if let Some(error) = http_refusal(status, response.headers().get("retry-after")) {
            return Err(error);
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cut_short(&error))? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(ProviderError::new(ErrorClass::OutcomeUnknown, "the answer is too long"));
            }
            answer.extend_from_slice(&chunk);
        }
        Fields::parse(&answer).map_err(|_| ProviderError::new(ErrorClass::OutcomeUnknown, "the answer cannot be read"))
    }

    /// What the answer refuses, if it does.
    pub fn refusal(&self, answer: &Fields) -> Option<ProviderError> {
        let code = answer.text("ErrorCode").unwrap_or(Cow::Borrowed("0"));
        let says_success = answer.text("Success").is_some();
        if answer.is_true("Success") && FINE.contains(&code.as_ref()) {
            return None;
        }
        if !says_success {
            return Some(ProviderError::new(
                ErrorClass::OutcomeUnknown,
                "the answer does not say whether it went well",
            ));
        }
        let message = answer.text("Message").unwrap_or_default();
        let class = codes::class_of(&code, &message, self.clock.now());
        let readable = self.readable(&message);
        Some(ProviderError::new(class, readable).with_code(code.chars().take(10).collect::<String>()))
    }

    /// The body with terminal and Token.
    fn sign(&self, mut body: Map<String, Value>) -> Vec<u8> {
        body.insert("TerminalKey".to_owned(), self.options.terminal_key.expose().into());
        let scalars = body.iter().filter_map(|(name, value)| Some((name.as_str(), scalar(value)?)));
        let token = token(scalars, &self.options.password);
        body.insert(TOKEN.to_owned(), token.into());
        // A map of JSON values has nothing that cannot be written.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The bank's message without our secrets, card numbers and control characters.
    fn readable(&self, message: &str) -> String {
        let options = &self.options;
        let secrets = [Some(&options.terminal_key), Some(&options.password), options.password_previous.as_ref()];
        let message = secrets
            .into_iter()
            .flatten()
            .fold(message.to_owned(), |text, secret: &Secret| text.replace(secret.expose(), "[secret]"));
        let mut readable = String::new();
        let mut digits = 0;
        for c in message.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX) {
            digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
            readable.push(if digits > DIGITS_MAX { '*' } else { c });
        }
        if readable.is_empty() { "the bank gave no reason".to_owned() } else { readable }
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn not_answered(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() {
        return ProviderError::new(ErrorClass::NotSent, "the bank cannot be reached");
    }
    let message = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
    tracing::debug!(cause = error.source().map(ToString::to_string), "no answer from the bank");
    ProviderError::new(ErrorClass::OutcomeUnknown, message)
}

fn cut_short(error: &reqwest::Error) -> ProviderError {
    let message = if error.is_timeout() { "no answer in time" } else { "the answer broke off" };
    ProviderError::new(ErrorClass::OutcomeUnknown, message)
}

/// What the HTTP status alone tells; the bank says 200 to everything that its own programs have judged.
fn http_refusal(status: u16, retry_after: Option<&reqwest::header::HeaderValue>) -> Option<ProviderError> {
    let refused = |class, message: &'static str| Some(ProviderError::new(class, message).with_code(status.to_string()));
    match status {
        200..=299 => None,
        429 => {
            let seconds = retry_after.and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
            let rest = seconds.map_or(RATE_LIMIT_REST, Duration::from_secs).min(RATE_LIMIT_REST_MAX);
            refused(ErrorClass::RateLimited { retry_after: rest }, "too many requests")
        }
        500..=599 => refused(ErrorClass::OutcomeUnknown, "the bank's server failed"),
        401 | 403 | 404 => refused(ErrorClass::Config, "the bank does not let us in"),
        300..=399 => refused(ErrorClass::Config, "the bank sends us elsewhere"),
        _ => refused(ErrorClass::InvalidRequest, "the bank's server refuses the request"),
    }
}
