"""Filling a studio's storage with finished runs: copies of real ones, made by the database itself.

Each copy is a run with its tags and all its events, under a run id of its own and earlier in time;
the JSON bodies name the new id wherever they named the old one.
"""

import psycopg2

# New ids follow from the old one and the number of the copy, so that all tables agree.
_FILL = """
CREATE TEMPORARY TABLE copies AS
SELECT runs.run_id AS old_id,
       md5(runs.run_id || copy.number)::uuid::text AS new_id,
       copy.number * interval '1 minute' AS earlier
FROM runs, generate_series(1, %(copies)s) AS copy(number)
WHERE runs.status = 'SUCCESS';

INSERT INTO runs (run_id, snapshot_id, pipeline_name, status, run_body, create_timestamp,
                  update_timestamp, start_time, end_time)
SELECT new_id, snapshot_id, pipeline_name, status, replace(run_body, old_id, new_id),
       create_timestamp - earlier, update_timestamp - earlier,
       start_time - extract(epoch FROM earlier), end_time - extract(epoch FROM earlier)
FROM copies JOIN runs ON runs.run_id = old_id;

INSERT INTO run_tags (run_id, key, value)
SELECT new_id, key, replace(value, old_id, new_id)
FROM copies JOIN run_tags ON run_tags.run_id = old_id;

INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key,
                        partition)
SELECT new_id, replace(event, old_id, new_id), dagster_event_type, timestamp - earlier, step_key,
       asset_key, partition
FROM copies JOIN event_logs ON event_logs.run_id = old_id;
"""


def fill_with_runs(database_url: str, count: int) -> int:
    """Add at least ``count`` finished runs and return how many there are then.

    Args:
        database_url: The Postgres server, as a libpq URI; it holds some finished runs already.
        count: How many to add; they are spread over the finished ones evenly.
    """
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        present = _count(cursor)
        cursor.execute(_FILL, {"copies": -(-count // present)})
        # What autovacuum does in its own time.
        cursor.execute("VACUUM ANALYZE")
        found = _count(cursor)
    connection.close()
    return found


def _count(cursor: "psycopg2.extensions.cursor") -> int:
    cursor.execute("SELECT count(*) FROM runs WHERE status = 'SUCCESS'")
    row = cursor.fetchone()
    assert row
    return row[0]
