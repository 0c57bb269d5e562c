// Prints the rows of a Parquet file as DuckDB reads them, a JSON array of texts
// and nulls each: node read.mjs FILE. Moments are milliseconds since 1970.
import { DuckDBInstance } from "@duckdb/node-api";

const db = await (await DuckDBInstance.create(":memory:")).connect();
const rows = await db.runAndReadAll(`SELECT * FROM read_parquet('${process.argv[2].replaceAll("'", "''")}')`);
const text = (v) => {
  if (v === null) return null;
  if (typeof v === "object" && "micros" in v) return String(v.micros / 1000n);
  if (typeof v === "boolean") return v ? "1" : "0";
  return String(v);
};
let out = JSON.stringify(rows.columnNames()) + "\n";
for (const row of rows.getRows()) out += JSON.stringify(row.map(text)) + "\n";
process.stdout.write(out);
