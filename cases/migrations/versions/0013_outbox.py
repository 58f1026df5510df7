"""Where answers are sent, and what waits to be sent."""

import sqlalchemy as sa
from alembic import op

from cases.migrations.protection import protect

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _destinations()
    _messages()
    # Whether a part of a file belongs to a download that was logged when it began.
    op.create_index(
        "ix_access_decision_download",
        "access_decision",
        ["session_id", "resource_id"],
        postgresql_where=sa.text("intent = 'DOWNLOAD_ORIGINAL' AND allowed"),
    )


def _destinations() -> None:
    op.create_table(
        "destination",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, sa.ForeignKey("care_provider.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("address", sa.String),
        sa.Column("secret_enc", sa.LargeBinary),
        sa.Column("answers", sa.String(40), nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_code", sa.String),
        sa.Column("rests_until", MOMENT),
        sa.Column("lease_holder", sa.Uuid),
        sa.Column("leased_until", MOMENT),
        sa.CheckConstraint("kind IN ('FOLDER', 'WEBHOOK')", name="kind_is_known"),
        sa.CheckConstraint("answers IN ('RECEIVED', 'GIVEN', 'BOTH')", name="answers_are_known"),
        sa.CheckConstraint("language IN ('sv', 'en')", name="language_is_known"),
        sa.CheckConstraint("(kind = 'WEBHOOK') = (address IS NOT NULL)", name="webhooks_have_an_address"),
        sa.CheckConstraint("(kind = 'WEBHOOK') = (secret_enc IS NOT NULL)", name="webhooks_have_a_secret"),
        sa.CheckConstraint("(lease_holder IS NULL) = (leased_until IS NULL)", name="lease_is_whole"),
        sa.CheckConstraint("failures >= 0", name="failures_are_counted"),
    )
    op.create_index("ix_destination_care_provider_id", "destination", ["care_provider_id"])
    protect(
        "destination",
        worker="SELECT, UPDATE (failures, last_code, rests_until, lease_holder, leased_until, updated_at)",
    )


def _messages() -> None:
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("care_provider_id", sa.Uuid, sa.ForeignKey("care_provider.id"), nullable=False),
        sa.Column("destination_id", sa.Uuid, sa.ForeignKey("destination.id"), nullable=False),
        sa.Column("request_id", sa.Uuid, sa.ForeignKey("share_request.id"), nullable=False),
        sa.Column("short_id", sa.String, nullable=False),
        sa.Column("answer_version_id", sa.Uuid, sa.ForeignKey("answer_version.id"), nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("last_attempt_at", MOMENT),
        sa.Column("last_code", sa.String),
        sa.Column("sent_at", MOMENT),
        sa.CheckConstraint("state IN ('PENDING', 'SENT', 'DEAD')", name="state_is_known"),
        sa.CheckConstraint("(state = 'SENT') = (sent_at IS NOT NULL)", name="sent_has_a_time"),
        sa.CheckConstraint("attempts >= 0", name="attempts_are_counted"),
        sa.UniqueConstraint("destination_id", "answer_version_id", "withdrawn"),
    )
    pending = sa.text("state = 'PENDING'")
    op.create_index("ix_outbox_message_due", "outbox_message", ["destination_id", "id"], postgresql_where=pending)
    op.create_index("ix_outbox_message_care_provider_id", "outbox_message", ["care_provider_id", "state", "id"])
    op.create_index("ix_outbox_message_request_id", "outbox_message", ["request_id"])
    protect(
        "outbox_message",
        # Written by whoever signs, for both parties' destinations.
        app="SELECT, UPDATE (state, attempts, next_attempt_at, updated_at)",
        platform="SELECT, INSERT",
        worker="SELECT, UPDATE",
    )
