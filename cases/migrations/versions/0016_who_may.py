"""Searching the log for what others did with one's data; how long browsers keep tiles."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    _find_others()
    _keep_tiles()


def _find_others() -> None:
    op.add_column("audit_subject", sa.Column("event", sa.String(40)))
    op.add_column("audit_subject", sa.Column("person_id", sa.Uuid))
    op.execute("ALTER TABLE audit_subject DISABLE TRIGGER keep")
    op.execute(
        "UPDATE audit_subject SET event = entry.event, person_id = entry.person_id"
        " FROM audit_event AS entry WHERE entry.id = event_id"
    )
    op.execute("ALTER TABLE audit_subject ENABLE TRIGGER keep")
    for column in ("event", "person_id"):
        op.create_index(
            f"ix_audit_subject_owner_{column.removesuffix('_id')}",
            "audit_subject",
            ["provider_id", column, "at", "event_id"],
            postgresql_where="provider_id <> care_provider_id",
        )
    op.drop_index("ix_audit_event_shared_event", "audit_event")
    op.drop_index("ix_audit_event_shared_person", "audit_event")


def _keep_tiles() -> None:
    op.add_column(
        "care_provider", sa.Column("tile_cache_seconds", sa.Integer, server_default=sa.text("0"), nullable=False)
    )
    op.alter_column("care_provider", "tile_cache_seconds", server_default=None)
    op.create_check_constraint("tiles_are_kept_briefly", "care_provider", "tile_cache_seconds BETWEEN 0 AND 300")
