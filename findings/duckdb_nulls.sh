#!/bin/bash
# Two parts of one table, written as Parquet by duckdb.
. "$(dirname "$0")/common.sh" data
finding "duckdb 2.0.1 (read by pyarrow 26.0.0)" \
    "a column's type and nullability in the file are those of the table, so that parts written one by one are parts of one table" \
    "what the part holds decides: without a null the column is REQUIRED, with nothing else an untyped one is INT32 of type Null; pyarrow, which takes the first part's schema, cannot join them"
run_python <<'P'
import duckdb
import pyarrow.parquet as pq

connection = duckdb.connect()
connection.sql("copy (select null::int as turn, null as header) to '1.parquet' (format parquet)")
connection.sql("copy (select 1 as turn, 'x' as header) to '2.parquet' (format parquet)")
for part in ("1.parquet", "2.parquet"):
    print(part, *[line.strip() for line in str(pq.ParquetFile(part).schema).splitlines() if "field_id" in line and "schema" not in line])
try:
    print("joined:", pq.read_table(["1.parquet", "2.parquet"]).to_pylist())
except Exception as e:
    print("joined:", type(e).__name__, e)
P
same <<'T'
1.parquet optional int32 field_id=-1 turn (Int(bitWidth=32, isSigned=true)); optional int32 field_id=-1 header (Null);
2.parquet required int32 field_id=-1 turn (Int(bitWidth=32, isSigned=true)); required binary field_id=-1 header (String);
joined: ArrowNotImplementedError Unsupported cast from string to null using function cast_null
T
