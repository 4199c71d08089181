//! The calls of the port in the bank's dialect.

use async_trait::async_trait;
use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use shared::domain::{
    Currency, Money,
    payment::{CaptureMode, Provider},
};

use super::{
    answers,
    bank::Tbank,
    codes::{self, Meaning},
};
use crate::providers::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, ErrorClass, InitRequest, PaymentProvider,
    PaymentState, ProviderError, Route, Session,
};

/// The bank opens no page for less time than this.
const PAGE_LIFE_MIN: TimeDelta = TimeDelta::seconds(90);
const DESCRIPTION_CHARS_MAX: usize = 140;
const CUSTOMER_KEY_CHARS_MAX: usize = 36;
/// Pairs of `DATA`, and characters of their names and values.
const DATA_PAIRS_MAX: usize = 20;
const DATA_NAME_CHARS_MAX: usize = 20;
const DATA_VALUE_CHARS_MAX: usize = 100;
/// An id that is no payment's: whoever answers anything to it is there.
const NOBODY: &str = "1";

#[async_trait]
impl PaymentProvider for Tbank {
    fn provider(&self) -> Provider {
        Provider::Tbank
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn init(&self, ctx: &CallCtx, request: &InitRequest) -> Result<Session, ProviderError> {
        let expires_at = request.expires_at.max(self.wire.clock().now() + PAGE_LIFE_MIN);
        let mut fields = body(&[
            ("Amount", kopecks(request.amount)?.into()),
            ("OrderId", request.provider_order_ref.clone().into()),
            ("Description", cut(&request.description, DESCRIPTION_CHARS_MAX).into()),
            ("PayType", pay_type(request.capture_mode).into()),
            ("Language", "ru".into()),
            ("NotificationURL", self.wire.options().notification_url.clone().into()),
            ("SuccessURL", request.return_url.clone().into()),
            ("FailURL", request.return_url.clone().into()),
            ("RedirectDueDate", moscow_time(expires_at).into()),
        ]);
        if let Some(key) = &request.customer_key {
            fields.insert("CustomerKey".to_owned(), cut(key, CUSTOMER_KEY_CHARS_MAX).into());
        }
        if !request.metadata.is_empty() {
            let pair = |(name, value): (&String, &String)| {
                (cut(name, DATA_NAME_CHARS_MAX), Value::String(cut(value, DATA_VALUE_CHARS_MAX)))
            };
            let data: Map<String, Value> = request.metadata.iter().take(DATA_PAIRS_MAX).map(pair).collect();
            fields.insert("DATA".to_owned(), Value::Object(data));
        }
        let answer = self.wire.call(ctx, "Init", fields).await?;
        answers::session(&answer, &request.provider_order_ref, request.amount)
    }

    async fn get_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError> {
        let answer = self.wire.exchange(ctx, "GetState", payment(provider_payment_id)).await?;
        let state = match self.wire.refusal(&answer) {
            None => answers::state(&answer, None)?,
            // The state of a declined payment may come as a refusal that holds it.
            Some(error) if matches!(error.class, ErrorClass::Declined { .. }) => {
                answers::state(&answer, None).map_err(|_| error)?
            }
            Some(error) => return Err(error),
        };
        if state.provider_payment_id == provider_payment_id {
            return Ok(state);
        }
        Err(ProviderError::new(ErrorClass::OutcomeUnknown, "the answer is about another payment"))
    }

    async fn check_order(&self, ctx: &CallCtx, provider_order_ref: &str) -> Result<Vec<PaymentState>, ProviderError> {
        let fields = body(&[("OrderId", provider_order_ref.into())]);
        let answer = self.wire.exchange(ctx, "CheckOrder", fields).await?;
        match self.wire.refusal(&answer) {
            None => answers::states(&answer, provider_order_ref),
            Some(error) if is_unknown_order(&error) => Ok(Vec::new()),
            Some(error) => Err(error),
        }
    }

    async fn confirm(&self, ctx: &CallCtx, request: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        let mut fields = payment(&request.provider_payment_id);
        fields.insert("Amount".to_owned(), kopecks(request.amount)?.into());
        let answer = self.wire.call(ctx, "Confirm", fields).await?;
        let mut state = answers::state(&answer, None)?;
        // The answer need not name the amount; a success takes what was asked for.
        state.amount = state.amount.or(Some(request.amount));
        Ok(state)
    }

    async fn cancel(&self, ctx: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError> {
        let mut fields = payment(&request.provider_payment_id);
        if let Some(amount) = request.amount {
            fields.insert("Amount".to_owned(), kopecks(amount)?.into());
        }
        fields.insert("ExternalRequestId".to_owned(), request.external_request_id.clone().into());
        let answer = self.wire.call(ctx, "Cancel", fields).await?;
        answers::cancelled(&answer)
    }

    async fn refund_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError> {
        let state = self.get_state(ctx, provider_payment_id).await?;
        if state.route != Route::Sbp {
            return Ok(state);
        }
        // Refunds of faster payments show themselves here first.
        let answer = self.wire.call(ctx, "GetQrState", payment(provider_payment_id)).await?;
        let qr = answers::state(&answer, Some(&state.order_ref))?;
        Ok(PaymentState { status: qr.status, word: qr.word, ..state })
    }

    async fn health(&self, ctx: &CallCtx) -> Result<(), ProviderError> {
        self.wire.exchange(ctx, "GetState", payment(NOBODY)).await.map(drop)
    }
}

fn body(fields: &[(&str, Value)]) -> Map<String, Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn payment(provider_payment_id: &str) -> Map<String, Value> {
    body(&[("PaymentId", json!(provider_payment_id))])
}

/// The bank takes roubles only, in kopecks.
fn kopecks(amount: Money) -> Result<i64, ProviderError> {
    if amount.currency() == Currency::RUB && amount.is_positive() {
        return Ok(amount.minor());
    }
    Err(ProviderError::new(ErrorClass::InvalidRequest, "the bank takes a positive amount of roubles only"))
}

fn pay_type(capture_mode: CaptureMode) -> &'static str {
    match capture_mode {
        CaptureMode::OnPayment => "O",
        CaptureMode::OnAccept => "T",
    }
}

/// As in `2016-08-31T12:28:00+03:00`.
fn moscow_time(instant: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(3 * 3_600) {
        Some(moscow) => instant.with_timezone(&moscow).to_rfc3339_opts(SecondsFormat::Secs, false),
        None => instant.to_rfc3339_opts(SecondsFormat::Secs, false),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

/// Nothing was ever opened under the reference.
fn is_unknown_order(error: &ProviderError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    code == "255" && codes::meaning(code, "") == Some(Meaning::StateConflict)
}
