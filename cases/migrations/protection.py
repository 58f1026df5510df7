"""Row-level security, said the same way for every table: the second line between care providers."""

from __future__ import annotations

from alembic import op

OWN = "care_provider_id = NULLIF(current_setting('samsyn.care_provider', true), '')::uuid"
"""The rows of the provider that this transaction acts for; none while it acts for nobody."""

_GRANTED = """EXISTS (
    SELECT FROM record_grant
    WHERE record_grant.case_id = {case_id} AND record_grant.valid_until > now()
      AND record_grant.to_provider_id = NULLIF(current_setting('samsyn.care_provider', true), '')::uuid
)"""
PARTY = "EXISTS (SELECT FROM share_request WHERE share_request.id = {request_id})"
"""What belongs to a request is for whoever sees the request: row security holds inside the question too."""


def granted(case_id: str) -> str:
    """Whether a case is another's that the provider has been let into, as a condition on a column with its id."""
    return _GRANTED.format(case_id=case_id)


def protect(
    table: str,
    *,
    visible: str = OWN,
    writable: str = OWN,
    app: str = "SELECT, INSERT, UPDATE",
    platform: str = "SELECT",
    worker: str = "",
) -> None:
    """Let each role see and write what it may in a table, and nothing else.

    Args:
        table: its name.
        visible: which rows the web sees, in SQL.
        writable: what the rows that the web writes must be like.
        app: what the web may do at all.
        platform: what may be done across providers, where the code says so.
        worker: what the workers may do, with every row; nothing by default.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"GRANT {app} ON {table} TO samsyn_app")
    op.execute(f"CREATE POLICY own ON {table} TO samsyn_app USING ({visible}) WITH CHECK ({writable})")
    op.execute(f"GRANT {platform} ON {table} TO samsyn_platform")
    op.execute(f"CREATE POLICY platform ON {table} TO samsyn_platform USING (true) WITH CHECK (true)")
    if worker:
        op.execute(f"GRANT {worker} ON {table} TO samsyn_worker")
        op.execute(f"CREATE POLICY worker ON {table} TO samsyn_worker USING (true) WITH CHECK (true)")
