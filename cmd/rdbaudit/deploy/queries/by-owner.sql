-- What each owner of --rules or --pattern holds on the newest date.
SELECT coalesce(nullif(owner, ''), '(nobody)') AS owner, count(*) AS keys, sum(allocated_bytes)::BIGINT AS bytes
FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)
WHERE date = (SELECT max(date) FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true))
GROUP BY ALL ORDER BY bytes DESC, owner;
