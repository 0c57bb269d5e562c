-- What each pattern holds on the newest date, over all clusters.
SELECT pattern, count(*) AS keys, sum(allocated_bytes)::BIGINT AS bytes
FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)
WHERE date = (SELECT max(date) FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true))
GROUP BY pattern ORDER BY bytes DESC, pattern;
