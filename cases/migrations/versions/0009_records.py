"""Referrals, specimens, tissue blocks and glass slides; moves that were made, and keys of changes that happen once."""

import sqlalchemy as sa
from alembic import op

from cases.migrations.protection import protect

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _moves()
    _keys()


def _moves() -> None:
    op.create_table(
        "state_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("care_provider_id", sa.Uuid, sa.ForeignKey("care_provider.id"), nullable=False),
        sa.Column("request_id", sa.Uuid),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("entity_id", sa.Uuid, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("from_state", sa.String),
        sa.Column("to_state", sa.String, nullable=False),
        sa.Column("by_assignment_id", sa.Uuid),
        sa.Column("reason", sa.String),
        sa.Column("text", sa.String),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("ix_state_event_entity_id_at", "state_event", ["entity_id", "at"])
    op.create_index("ix_state_event_request_id", "state_event", ["request_id"])


def _keys() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("resource_id", sa.Uuid),
        sa.UniqueConstraint("assignment_id", "key"),
    )
    op.create_index("ix_idempotency_key_care_provider_id", "idempotency_key", ["care_provider_id"])
    protect("idempotency_key", worker="SELECT, DELETE")
