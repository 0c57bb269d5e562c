-- Keys that never expire, by pattern, on the newest date.
SELECT pattern, count(*) AS keys, sum(allocated_bytes)::BIGINT AS bytes
FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)
WHERE date = (SELECT max(date) FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)) AND expiry IS NULL
GROUP BY pattern ORDER BY bytes DESC, pattern;
