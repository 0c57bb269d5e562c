-- The largest keys of the newest date.
SELECT cluster, source, database, key, type, allocated_bytes
FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)
WHERE date = (SELECT max(date) FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true))
ORDER BY allocated_bytes DESC, cluster, source, database, key LIMIT 20;
