-- The heaviest hash slots of each cluster on the newest date.
SELECT cluster, slot, count(*) AS keys, sum(allocated_bytes)::BIGINT AS bytes
FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)
WHERE date = (SELECT max(date) FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true))
GROUP BY cluster, slot ORDER BY bytes DESC, cluster, slot LIMIT 20;
