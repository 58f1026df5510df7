"""Local accounts, counted attempts, and what a session knows about how it was begun and whether anybody is there."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)
METHODS = ("DEMO", "LOCAL")
ENDINGS = ("SIGNED_OUT", "ENDED_BY_PERSON", "SWITCHED", "RENEWED", "TIMEOUT", "ACCOUNT_CHANGED", "DEMO_OFF")


def upgrade() -> None:
    _accounts()
    _attempts()
    _sessions()


def _accounts() -> None:
    op.create_table(
        "local_account",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("login", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("totp_secret_enc", sa.LargeBinary),
        sa.Column("totp_last_step", sa.BigInteger, nullable=False),
        sa.Column("enrolled_at", MOMENT),
        sa.Column("disabled_at", MOMENT),
        sa.Column("break_glass", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_local_account"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_local_account_person_id"),
        sa.UniqueConstraint("person_id", name="uq_local_account_person_id"),
        sa.UniqueConstraint("login", name="uq_local_account_login"),
        sa.CheckConstraint(
            "enrolled_at IS NULL OR totp_secret_enc IS NOT NULL", name="enrolled_accounts_have_a_secret"
        ),
        sa.CheckConstraint("password_hash LIKE '$argon2id$%'", name="passwords_are_hashed"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON local_account TO samsyn_app")


def _attempts() -> None:
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("locked_until", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempt"),
        sa.UniqueConstraint("key", name="uq_sign_in_attempt_key"),
        sa.CheckConstraint("failures >= 0", name="failures_are_counted_up"),
    )
    op.create_index("ix_sign_in_attempt_last_at", "sign_in_attempt", ["last_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_attempt TO samsyn_app")


def _sessions() -> None:
    table = "sign_in_session"
    op.add_column(table, sa.Column("assignment_id", sa.Uuid))
    op.add_column(table, sa.Column("assurance", sa.Integer))
    op.add_column(table, sa.Column("method", sa.String(40)))
    op.add_column(table, sa.Column("authenticated_at", MOMENT))
    op.add_column(table, sa.Column("last_seen_at", MOMENT))
    op.add_column(table, sa.Column("locked_at", MOMENT))
    op.add_column(table, sa.Column("client_ip", sa.String))
    op.add_column(table, sa.Column("user_agent_digest", sa.String))
    op.add_column(table, sa.Column("ended_because", sa.String(40)))
    # Whoever was signed in before accounts existed signs in again.
    op.execute(
        f"UPDATE {table} SET assurance = 2, method = 'DEMO', authenticated_at = created_at, last_seen_at = created_at,"  # noqa: S608
        " ended_at = coalesce(ended_at, now()), ended_because = 'SIGNED_OUT'"
    )
    for column in ("assurance", "method", "authenticated_at", "last_seen_at"):
        op.alter_column(table, column, nullable=False)
    op.create_foreign_key(f"fk_{table}_assignment_id", table, "assignment", ["assignment_id"], ["id"])
    op.create_index(f"ix_{table}_person_id", table, ["person_id"])
    op.create_index(f"ix_{table}_last_seen_at", table, ["last_seen_at"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_check_constraint("assurance_is_a_level", table, "assurance IN (2, 3)")
    op.create_check_constraint("method_is_known", table, f"method IN {METHODS}")
    op.create_check_constraint("ending_is_known", table, f"ended_because IN {ENDINGS}")
    op.create_check_constraint("endings_have_a_reason", table, "(ended_at IS NULL) = (ended_because IS NULL)")
    op.execute(f"GRANT SELECT ON {table} TO samsyn_platform")
