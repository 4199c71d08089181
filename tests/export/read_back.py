"""Compares an exported Parquet file, as DuckDB and pyarrow read it, with the same events as lines of JSON."""

import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

folder = Path(sys.argv[1])
lines = [json.loads(line) for line in (folder / "events.ndjson").open(encoding="utf-8")]
parquet = folder / "events.parquet"

table = pq.read_table(parquet)
assert table.num_rows == len(lines), (table.num_rows, len(lines))
for row, line in zip(table.to_pylist(), lines, strict=True):
    for name in ("position", "event_id", "aggregate_id", "version", "event_type", "event_version", "actor"):
        assert row[name] == line[name], (name, row, line)
    assert row["occurred_at"] == datetime.fromisoformat(line["occurred_at"]), (row, line)
    assert json.loads(row["payload"]) == line["payload"], (row, line)

first, last, events, longest = duckdb.sql(
    f"""SELECT min(position), max(position), count(*), max(length(json_extract_string(payload, '$.note')))
        FROM '{parquet}'"""
).fetchall()[0]
notes = [len(line["payload"]["note"]) for line in lines]
assert (first, last, events, longest) == (1, len(lines), len(lines), max(notes)), (first, last, events, longest)
print(f"DuckDB {duckdb.__version__} and pyarrow read {events} events back as they were")
