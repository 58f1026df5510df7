"""Notifications, work orders, messages."""

import sqlalchemy as sa
from alembic import op

from cases.migrations.protection import OWN, PARTY, protect

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True)
KINDS = "LEVELS RECUT SPECIAL_STAIN IHC ISH MOLECULAR RESCAN MORE_SLIDES GLASS_LOAN BLOCK_LOAN CLINICAL_INFO RADIOLOGY"


def upgrade() -> None:
    _notifications()
    _messages()
    _work_orders()


def _kept() -> list[sa.Column]:  # type: ignore[type-arg]
    return [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
    ]


def _refer(name: str, to: str, *, nullable: bool = False) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.Uuid, sa.ForeignKey(f"{to}.id"), nullable=nullable)


def _one_of(column: str, words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN {tuple(words.split())}", name=f"{column}_is_known")


def _notifications() -> None:
    op.create_table(
        "notification",
        *_kept(),
        _refer("care_provider_id", "care_provider"),
        _refer("assignment_id", "assignment", nullable=True),
        _refer("unit_id", "care_unit", nullable=True),
        _refer("department_id", "department", nullable=True),
        sa.Column("roles", sa.ARRAY(sa.String), nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("subject_kind", sa.String, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("short_id", sa.String),
        sa.CheckConstraint(
            "(assignment_id IS NULL) = (cardinality(roles) > 0) AND (assignment_id IS NULL OR unit_id IS NULL)"
            " AND (department_id IS NULL OR unit_id IS NOT NULL)",
            name="recipient_is_somebody_or_some_roles",
        ),
    )
    op.create_index(
        "ix_notification_assignment_id",
        "notification",
        ["assignment_id", "id"],
        postgresql_where=sa.text("assignment_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notification_care_provider_id",
        "notification",
        ["care_provider_id", "id"],
        postgresql_where=sa.text("assignment_id IS NULL"),
    )
    op.create_table(
        "notification_reading",
        *_kept(),
        _refer("care_provider_id", "care_provider"),
        _refer("assignment_id", "assignment"),
        _refer("notification_id", "notification"),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.UniqueConstraint("assignment_id", "notification_id"),
    )
    for column in ("care_provider_id", "notification_id"):
        op.create_index(f"ix_notification_reading_{column}", "notification_reading", [column])
    # Anybody may have something to tell anybody, so they are written by the platform.
    protect("notification", app="SELECT", platform="SELECT, INSERT")
    protect("notification_reading", app="SELECT, INSERT")


def _messages() -> None:
    op.create_table(
        "message",
        *_kept(),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("author_id", "assignment"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("blocking", sa.Boolean, nullable=False),
        _refer("reply_to_id", "message", nullable=True),
        sa.Column("annotation_id", sa.Uuid),
        sa.Column("sent_at", MOMENT, nullable=False),
        _one_of("kind", "COMMENT QUESTION REPLY PHONE_NOTE"),
        sa.CheckConstraint("(kind = 'REPLY') = (reply_to_id IS NOT NULL)", name="reply_is_to_something"),
        sa.CheckConstraint("NOT blocking OR kind = 'QUESTION'", name="only_questions_block"),
    )
    op.create_table(
        "message_reading",
        *_kept(),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("message_id", "message"),
        _refer("assignment_id", "assignment"),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.UniqueConstraint("message_id", "assignment_id"),
    )
    op.create_index("ix_message_request_id", "message", ["request_id", "id"])
    op.create_index("ix_message_reply_to_id", "message", ["reply_to_id"])
    op.create_index("ix_message_reading_request_id", "message_reading", ["request_id"])
    for table in ("message", "message_reading"):
        # Nobody changes or removes what was said: it may be a part of the record.
        protect(
            table,
            visible=PARTY.format(request_id=f"{table}.request_id"),
            writable=f"{OWN} AND {PARTY.format(request_id=f'{table}.request_id')}",
            app="SELECT, INSERT",
            worker="SELECT",
        )
        op.execute(
            f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _work_orders() -> None:
    op.create_table(
        "work_order",
        *_kept(),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        _refer("request_id", "share_request"),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("target_kind", sa.String(40)),
        sa.Column("target_id", sa.Uuid),
        sa.Column("code", sa.String),
        sa.Column("comment", sa.String),
        sa.Column("urgency", sa.String(40), nullable=False),
        sa.Column("done_by", sa.String(40), nullable=False),
        sa.Column("blocking", sa.Boolean, nullable=False),
        sa.Column("slides", sa.Integer, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("reject_reason", sa.String(40)),
        sa.Column("carrier", sa.String),
        sa.Column("sent_at", MOMENT),
        sa.Column("received_at", MOMENT),
        sa.Column("returned_at", MOMENT),
        _one_of("kind", KINDS),
        _one_of("target_kind", "SPECIMEN BLOCK GLASS"),
        _one_of("urgency", "INTRAOP SNABB SVF ROUTINE"),
        _one_of("done_by", "OWNER_LAB PERFORMER_LAB"),
        _one_of("status", "REQUESTED ACCEPTED IN_PROGRESS FULFILLED PARTLY_FULFILLED REJECTED CANCELLED"),
        _one_of("reject_reason", "INSUFFICIENT_MATERIAL NOT_AVAILABLE COST_NOT_APPROVED"),
        sa.CheckConstraint("(target_kind IS NULL) = (target_id IS NULL)", name="target_is_whole"),
        sa.CheckConstraint("(status = 'REJECTED') = (reject_reason IS NOT NULL)", name="rejection_has_a_reason"),
        sa.CheckConstraint("slides BETWEEN 0 AND 50", name="slides_are_some"),
        sa.CheckConstraint("(sent_at IS NULL) = (carrier IS NULL)", name="shipment_is_whole"),
        sa.CheckConstraint(
            "(received_at IS NULL OR received_at >= sent_at) AND (returned_at IS NULL OR returned_at >= sent_at)"
            " AND (sent_at IS NOT NULL OR num_nonnulls(received_at, returned_at) = 0)",
            name="shipment_dates_in_order",
        ),
    )
    op.create_table(
        "work_order_result",
        *_kept(),
        _refer("work_order_id", "work_order"),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("glass_slide_id", "glass_slide", nullable=True),
        _refer("slide_image_id", "slide_image", nullable=True),
        sa.CheckConstraint("num_nonnulls(glass_slide_id, slide_image_id) = 1", name="result_is_one_thing"),
    )
    op.create_index("ix_work_order_request_id", "work_order", ["request_id"])
    op.create_index("ix_work_order_case_id", "work_order", ["case_id"])
    op.create_index("ix_work_order_result_work_order_id", "work_order_result", ["work_order_id"])
    op.create_index("ix_work_order_result_request_id", "work_order_result", ["request_id"])
    for table, app, changing in (
        ("work_order", "SELECT, INSERT, UPDATE", "SELECT, UPDATE"),
        ("work_order_result", "SELECT, INSERT", "SELECT"),
    ):
        # One party orders and the other fulfils, in the same row.
        party = PARTY.format(request_id=f"{table}.request_id")
        protect(table, visible=party, writable=party, app=app, platform=changing, worker=changing)
        op.execute(f"CREATE POLICY own_new ON {table} AS RESTRICTIVE FOR INSERT TO samsyn_app WITH CHECK ({OWN})")
