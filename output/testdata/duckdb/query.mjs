// Runs a file of SQL in the current folder and prints the rows, a JSON array of
// texts and nulls each: node query.mjs FILE.
import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const db = await (await DuckDBInstance.create(":memory:")).connect();
const rows = await db.runAndReadAll(readFileSync(process.argv[2], "utf8"));
for (const row of rows.getRows()) process.stdout.write(JSON.stringify(row.map((v) => (v === null ? null : String(v)))) + "\n");
