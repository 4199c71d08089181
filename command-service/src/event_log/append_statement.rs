//! One batch as the arrays of `append_events`, and its answer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use shared::{domain::PortionMove, log::slice_of};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::request::{AppendOutcome, AppendRequest, Appended, Receipt, ReceiptDraft};

/// A late answer to a command whose receipt has none yet.
#[derive(Debug)]
pub(super) struct LateAnswer {
    pub command_id: Uuid,
    pub status: u16,
    pub data: Arc<str>,
}

#[derive(Default)]
pub(super) struct Batch {
    r_command: Vec<Uuid>,
    r_keep: Vec<bool>,
    r_fingerprint: Vec<Vec<u8>>,
    r_status: Vec<Option<i16>>,
    r_data: Vec<Option<Arc<str>>>,
    r_type: Vec<Option<&'static str>>,
    r_id: Vec<Option<String>>,
    r_expected: Vec<Option<i64>>,
    r_expected_event: Vec<Option<Uuid>>,
    r_chained: Vec<bool>,
    r_count: Vec<i32>,
    e_request: Vec<i32>,
    e_type: Vec<&'static str>,
    e_id: Vec<String>,
    e_sequence: Vec<i64>,
    e_event_type: Vec<&'static str>,
    e_event_version: Vec<String>,
    e_payload: Vec<Arc<str>>,
    e_metadata: Vec<String>,
    e_event_id: Vec<Uuid>,
    e_correlation: Vec<Uuid>,
    e_causation: Vec<Uuid>,
    e_actor: Vec<String>,
    e_occurred: Vec<DateTime<Utc>>,
    e_slice: Vec<i16>,
    t_request: Vec<i32>,
    t_id: Vec<Uuid>,
    t_kind: Vec<&'static str>,
    t_aggregate: Vec<Uuid>,
    t_correlation: Vec<Uuid>,
    t_causation: Vec<Uuid>,
    t_due: Vec<DateTime<Utc>>,
    u_command: Vec<Uuid>,
    u_status: Vec<i16>,
    u_data: Vec<Arc<str>>,
    p_request: Vec<i32>,
    p_order: Vec<Uuid>,
    p_dish: Vec<Option<Uuid>>,
    p_quantity: Vec<Option<i32>>,
}

impl Batch {
    pub fn push(&mut self, request: &AppendRequest, chained: bool) {
        self.r_command.push(request.command_id);
        self.push_receipt(request.receipt.as_ref());
        // A receipt alone is compared with no stream: it follows nothing but itself.
        self.r_chained.push(chained || request.stream.is_none());
        let n = self.r_command.len() as i32;
        match &request.stream {
            Some(stream) => {
                let id = stream.aggregate_id.to_string();
                self.r_type.push(Some(stream.aggregate_type.as_str()));
                self.r_expected.push(Some(stream.expected.sequence as i64));
                self.r_expected_event.push(stream.expected.event_id);
                self.r_count.push(stream.events.len() as i32);
                for (index, event) in stream.events.iter().enumerate() {
                    self.e_request.push(n);
                    self.e_type.push(stream.aggregate_type.as_str());
                    self.e_id.push(id.clone());
                    self.e_sequence.push(stream.expected.sequence as i64 + index as i64 + 1);
                    self.e_event_type.push(event.event.type_name());
                    self.e_event_version.push(event.event.schema_version().to_string());
                    self.e_payload.push(Arc::clone(&event.payload));
                    self.e_metadata.push(serde_json::to_string(&event.metadata).unwrap_or_else(|_| "{}".to_owned()));
                    self.e_event_id.push(event.event_id);
                    self.e_correlation.push(event.correlation_id);
                    self.e_causation.push(event.causation_id);
                    self.e_actor.push(event.actor.to_string());
                    self.e_occurred.push(event.occurred_at);
                    self.e_slice.push(slice_of(stream.aggregate_id) as i16);
                }
                self.r_id.push(Some(id));
            }
            None => {
                self.r_type.push(None);
                self.r_id.push(Some(request.command_id.to_string()));
                self.r_expected.push(request.receipt.as_ref().map(|receipt| receipt.sequence as i64));
                self.r_expected_event.push(None);
                self.r_count.push(0);
            }
        }
        for timer in &request.timers {
            self.t_request.push(n);
            self.t_id.push(timer.timer_id);
            self.t_kind.push(timer.kind);
            self.t_aggregate.push(timer.aggregate_id);
            self.t_correlation.push(timer.correlation_id);
            self.t_causation.push(timer.causation_id);
            self.t_due.push(timer.due_at);
        }
        if let (Some(stream), Some(portions)) = (&request.stream, &request.portions) {
            self.push_portions(n, stream.aggregate_id, portions);
        }
    }

    fn push_portions(&mut self, request: i32, order: Uuid, portions: &PortionMove) {
        let taken = match portions {
            PortionMove::Take(taken) => taken.iter().map(|it| Some((it.dish_id.0, it.quantity as i32))).collect(),
            PortionMove::GiveBack => vec![None],
        };
        for of_dish in taken {
            self.p_request.push(request);
            self.p_order.push(order);
            self.p_dish.push(of_dish.map(|(dish, _)| dish));
            self.p_quantity.push(of_dish.map(|(_, quantity)| quantity));
        }
    }

    fn push_receipt(&mut self, receipt: Option<&ReceiptDraft>) {
        self.r_keep.push(receipt.is_some());
        self.r_fingerprint.push(receipt.map(|receipt| receipt.fingerprint.to_vec()).unwrap_or_default());
        self.r_status.push(receipt.and_then(|receipt| receipt.status).map(|status| status as i16));
        self.r_data.push(receipt.and_then(|receipt| receipt.data.clone()));
    }

    pub fn push_late_answer(&mut self, answer: &LateAnswer) {
        self.u_command.push(answer.command_id);
        self.u_status.push(answer.status as i16);
        self.u_data.push(Arc::clone(&answer.data));
    }

    /// Commits the batch. One outcome per request, in the order in which they were pushed, then one per late answer.
    pub fn execute(self, connection: &mut PgConnection) -> BoxFuture<'_, Result<Vec<AppendOutcome>, sqlx::Error>> {
        let texts = |texts: Vec<Arc<str>>| texts.iter().map(ToString::to_string).collect::<Vec<String>>();
        let query = sqlx::query(
            "
            SELECT out_outcome, out_position, out_recorded, out_fingerprint, out_status, out_data, out_sequence
            FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                               $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36,
                               $37, $38, $39)
            ",
        )
        .bind(self.r_command)
        .bind(self.r_keep)
        .bind(self.r_fingerprint)
        .bind(self.r_status)
        .bind(self.r_data.iter().map(|data| data.as_deref().map(str::to_owned)).collect::<Vec<_>>())
        .bind(self.r_type)
        .bind(self.r_id)
        .bind(self.r_expected)
        .bind(self.r_expected_event)
        .bind(self.r_chained)
        .bind(self.r_count)
        .bind(self.e_request)
        .bind(self.e_type)
        .bind(self.e_id)
        .bind(self.e_sequence)
        .bind(self.e_event_type)
        .bind(self.e_event_version)
        .bind(texts(self.e_payload))
        .bind(self.e_metadata)
        .bind(self.e_event_id)
        .bind(self.e_correlation)
        .bind(self.e_causation)
        .bind(self.e_actor)
        .bind(self.e_occurred)
        .bind(self.e_slice)
        .bind(self.t_request)
        .bind(self.t_id)
        .bind(self.t_kind)
        .bind(self.t_aggregate)
        .bind(self.t_correlation)
        .bind(self.t_causation)
        .bind(self.t_due)
        .bind(self.u_command)
        .bind(self.u_status)
        .bind(texts(self.u_data))
        .bind(self.p_request)
        .bind(self.p_order)
        .bind(self.p_dish)
        .bind(self.p_quantity);
        Box::pin(async move { query.fetch_all(connection).await?.iter().map(read_outcome).collect() })
    }
}

fn read_outcome(row: &sqlx::postgres::PgRow) -> Result<AppendOutcome, sqlx::Error> {
    let position = row.try_get::<i64, _>("out_position")? as u64;
    match row.try_get::<&str, _>("out_outcome")? {
        "A" => Ok(AppendOutcome::Appended(Appended { position, recorded_at: row.try_get("out_recorded")? })),
        "C" => Ok(AppendOutcome::Conflict),
        "S" => Ok(AppendOutcome::ShortOfPortions),
        // A late answer to a receipt that is gone has nobody to go to.
        _ => match row.try_get::<Option<Vec<u8>>, _>("out_fingerprint")? {
            None => Ok(AppendOutcome::Conflict),
            Some(fingerprint) => Ok(AppendOutcome::ReceiptFound(Receipt {
                fingerprint,
                status: row.try_get::<Option<i16>, _>("out_status")?.map(|status| status as u16),
                data: row.try_get::<Option<&str>, _>("out_data")?.map(Arc::from),
                sequence: row.try_get::<i64, _>("out_sequence")? as u64,
                position,
            })),
        },
    }
}
