//! Parquet by columns, in row groups of bounded size.

use std::{io::Write, sync::Arc};

use anyhow::{Context, Result};
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use shared::log::RecordedEvent;

use super::Sink;

/// A row group is written when it has so many events, or so many bytes of payloads.
const EVENTS_MAX: usize = 20_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;

const SCHEMA: &str = "
    message event {
        required int64 position;
        required binary event_id (STRING);
        required binary aggregate_type (STRING);
        required binary aggregate_id (STRING);
        required int64 version;
        required binary event_type (STRING);
        required int32 event_version;
        required int64 occurred_at (TIMESTAMP(MICROS, true));
        required int64 recorded_at (TIMESTAMP(MICROS, true));
        required binary correlation_id (STRING);
        required binary causation_id (STRING);
        required binary actor (STRING);
        required binary metadata (JSON);
        required binary payload (JSON);
    }";

/// Writes row groups.
pub(super) struct Groups<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    waiting: Vec<Arc<RecordedEvent>>,
    bytes: usize,
}

impl<W: Write + Send> Groups<W> {
    pub(super) fn new(out: W) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        Ok(Self { writer, waiting: Vec::new(), bytes: 0 })
    }

    fn write_group(&mut self) -> Result<()> {
        let events = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let mut group = self.writer.next_row_group()?;
        write_columns(&mut group, &events)?;
        group.close()?;
        Ok(())
    }
}

/// The columns of the schema, in its order.
fn write_columns<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    events: &[Arc<RecordedEvent>],
) -> Result<()> {
    let text = |read: fn(&RecordedEvent) -> String| -> Vec<ByteArray> {
        events.iter().map(|event| ByteArray::from(read(event).into_bytes())).collect()
    };
    let metadata = events.iter().map(|event| Ok(ByteArray::from(serde_json::to_vec(&event.metadata)?)));
    let metadata = metadata.collect::<serde_json::Result<Vec<_>>>()?;
    write_column::<Int64Type, W>(group, &whole(events, |event| event.position as i64))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.event_id.to_string()))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.aggregate_type.as_str().to_owned()))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.aggregate_id.to_string()))?;
    write_column::<Int64Type, W>(group, &whole(events, |event| event.sequence as i64))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.event_type.to_string()))?;
    write_column::<Int32Type, W>(group, &whole(events, |event| i32::from(event.schema_version)))?;
    write_column::<Int64Type, W>(group, &whole(events, |event| event.occurred_at.timestamp_micros()))?;
    write_column::<Int64Type, W>(group, &whole(events, |event| event.recorded_at.timestamp_micros()))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.correlation_id.to_string()))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.causation_id.to_string()))?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.actor.to_string()))?;
    write_column::<ByteArrayType, W>(group, &metadata)?;
    write_column::<ByteArrayType, W>(group, &text(|event| event.payload.to_string()))
}

fn whole<N>(events: &[Arc<RecordedEvent>], read: impl Fn(&RecordedEvent) -> N) -> Vec<N> {
    events.iter().map(|event| read(event)).collect()
}

fn write_column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<()> {
    let mut column = group.next_column()?.context("the schema has fewer columns than are written")?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()?;
    Ok(())
}

impl<W: Write + Send> Sink for Groups<W> {
    fn write(&mut self, events: &[Arc<RecordedEvent>]) -> Result<()> {
        for event in events {
            self.bytes += event.payload.len();
            self.waiting.push(event.clone());
            if self.waiting.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.waiting.is_empty() {
            self.write_group()?;
        }
        let Self { writer, .. } = *self;
        writer.into_inner()?.flush()?;
        Ok(())
    }
}
