-- What each pattern gained or lost between the oldest and the newest date.
WITH k AS (SELECT * FROM read_parquet('keys/*/*/*.parquet', hive_partitioning = true)),
ends AS (SELECT min(date) AS a, max(date) AS b FROM k)
SELECT cluster, pattern,
  coalesce(sum(allocated_bytes) FILTER (date = b), 0)::BIGINT - coalesce(sum(allocated_bytes) FILTER (date = a), 0)::BIGINT AS bytes,
  count(*) FILTER (date = b) - count(*) FILTER (date = a) AS keys
FROM k, ends
GROUP BY cluster, pattern ORDER BY bytes DESC, cluster, pattern;
