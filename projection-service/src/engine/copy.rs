//! Rows on their way into a table by COPY, in Postgres' binary format: nothing has to be escaped, and nothing parsed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// What every binary COPY begins with: the signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a field that is NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes in one message.
const CHUNK: usize = 1 << 20;
/// Where Postgres' time begins, in microseconds of everybody else's.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Rows of one table.
#[derive(Debug)]
pub struct CopyRows {
    statement: &'static str,
    columns: i16,
    rows: usize,
    data: Vec<u8>,
}

impl CopyRows {
    /// No rows yet, for a statement `COPY … FROM STDIN (FORMAT binary)` that names so many columns.
    pub fn new(statement: &'static str, columns: i16) -> Self {
        Self { statement, columns, rows: 0, data: HEADER.to_vec() }
    }

    /// Begins a row; its fields follow in the order of the statement.
    pub fn row(&mut self) -> &mut Self {
        self.rows += 1;
        self.data.extend(self.columns.to_be_bytes());
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.data.extend((bytes.len() as u32).to_be_bytes());
        self.data.extend(bytes);
        self
    }

    /// A `uuid`.
    pub fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.field(id.as_bytes())
    }

    /// A `uuid` or NULL.
    pub fn optional_uuid(&mut self, id: Option<Uuid>) -> &mut Self {
        match id {
            Some(id) => self.uuid(id),
            None => {
                self.data.extend(NULL);
                self
            }
        }
    }

    /// A `text`.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    /// A `bigint`.
    pub fn bigint(&mut self, number: i64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    /// A `timestamptz`.
    pub fn timestamp(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.bigint(at.timestamp_micros() - EPOCH_MICROS)
    }

    /// A `json`.
    pub fn json(&mut self, document: &impl Serialize) -> Result<&mut Self, sqlx::Error> {
        let begins = self.data.len();
        self.data.extend(NULL);
        serde_json::to_writer(&mut self.data, document).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let length = (self.data.len() - begins - NULL.len()) as u32;
        self.data[begins..begins + NULL.len()].copy_from_slice(&length.to_be_bytes());
        Ok(self)
    }

    /// Writes them.
    pub async fn write(mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        self.data.extend(TRAILER);
        let mut copy = tx.copy_in_raw(self.statement).await?;
        for chunk in self.data.chunks(CHUNK) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
        Ok(())
    }
}
