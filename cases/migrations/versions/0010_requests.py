"""Requests, what they are held for, disclosures, who reads; and that exactly one department signs out each case."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cases.migrations.protection import OWN, PARTY, protect

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)
STATUSES = (
    "DRAFT SUBMITTED HELD OFFERED ACCEPTED ASSIGNED IN_REVIEW WAITING COUNTERSIGN ANSWERED ACKNOWLEDGED CLOSED "
    "CANCELLED DECLINED RETURNED RECALLED EXPIRED"
)
TAKEN = "'ACCEPTED', 'ASSIGNED', 'IN_REVIEW', 'WAITING', 'COUNTERSIGN'"
ME = "NULLIF(current_setting('samsyn.care_provider', true), '')::uuid"


def upgrade() -> None:
    _make_requests()
    _make_holds()
    _make_disclosures()
    _make_tasks()
    _protect()
    _hold_sign_out()


def _kept(*, versioned: bool = True) -> list[sa.Column[Any]]:
    columns: list[sa.Column[Any]] = [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
    ]
    if versioned:
        columns += [sa.Column("created_by", sa.Uuid), sa.Column("version", sa.Integer, nullable=False)]
    return columns


def _refer(name: str, to: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid, sa.ForeignKey(f"{to}.id", name=None), nullable=nullable)


def _one_of(column: str, words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN {tuple(words.split())}", name=f"{column}_is_known")


def _make_requests() -> None:
    op.create_table(
        "share_request",
        *_kept(),
        sa.Column("short_id", sa.String, nullable=False, unique=True),
        sa.Column("type", sa.String(40), nullable=False),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        _refer("unit_id", "care_unit"),
        _refer("requester_assignment_id", "assignment"),
        _refer("requester_department_id", "department"),
        _refer("watcher_assignment_id", "assignment"),
        _refer("stand_in_assignment_id", "assignment", nullable=True),
        _refer("performer_provider_id", "care_provider"),
        _refer("performer_unit_id", "care_unit"),
        _refer("performer_department_id", "department"),
        _refer("named_reader_id", "assignment", nullable=True),
        _refer("reader_assignment_id", "assignment", nullable=True),
        _refer("service_description_id", "service_description", nullable=True),
        _refer("parent_request_id", "share_request", nullable=True),
        sa.Column("reason_code", sa.String(40), nullable=False),
        sa.Column("question", sa.String, nullable=False),
        sa.Column("working_diagnosis", sa.String),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("urgency", sa.String(40), nullable=False),
        sa.Column("svf_code", sa.String),
        sa.Column("subspecialty", sa.String(40), nullable=False),
        sa.Column("manifest", JSONB, nullable=False),
        sa.Column("requested_due_at", MOMENT),
        sa.Column("accept_by", MOMENT),
        sa.Column("due_at", MOMENT),
        sa.Column("legal_ground", sa.String(40)),
        sa.Column("harm_test_comment", sa.String),
        _refer("harm_tested_by", "assignment", nullable=True),
        sa.Column("harm_tested_at", MOMENT),
        _refer("consent_assertion_id", "consent_assertion", nullable=True),
        sa.Column("responsibility_model", sa.String(40), nullable=False),
        sa.Column("billable", sa.Boolean, nullable=False),
        sa.Column("receiver_accession", sa.String),
        sa.Column("cancer_notification_by", sa.String(40)),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("held_from", sa.String(40)),
        sa.Column("end_reason", sa.String),
        sa.Column("end_text", sa.String),
        sa.Column("escalation", sa.Integer, nullable=False),
        *(
            sa.Column(name, MOMENT)
            for name in (
                "submitted_at",
                "offered_at",
                "accepted_at",
                "assigned_at",
                "first_opened_at",
                "answered_at",
                "acknowledged_at",
                "closed_at",
                "ended_at",
                "recall_requested_at",
            )
        ),
        _one_of("type", "SECOND_OPINION REVIEW WORKLOAD_TRANSFER INTRAOPERATIVE MDT_PREP"),
        _one_of("status", STATUSES),
        _one_of("held_from", STATUSES),
        _one_of("urgency", "INTRAOP SNABB SVF ROUTINE"),
        _one_of("legal_ground", "CONSENT_EXPLICIT CONSENT_PRESUMED_REFERRAL COHERENT_RECORD EMERGENCY"),
        sa.CheckConstraint("care_provider_id <> performer_provider_id", name="parties_are_two"),
        sa.CheckConstraint("(status = 'HELD') = (held_from IS NOT NULL)", name="held_knows_from_where"),
        sa.CheckConstraint("type <> 'INTRAOPERATIVE'", name="frozen_sections_have_their_own_machine"),
        sa.CheckConstraint(
            "submitted_at IS NULL OR num_nulls(service_description_id, legal_ground, due_at, harm_tested_at) = 0",
            name="submitted_is_whole",
        ),
        sa.CheckConstraint("submitted_at IS NOT NULL OR status IN ('DRAFT', 'CANCELLED')", name="submitted_has_a_time"),
        sa.CheckConstraint("offered_at >= submitted_at AND answered_at >= accepted_at", name="times_in_order"),
        sa.CheckConstraint("escalation BETWEEN 0 AND 3", name="escalation_is_a_step"),
    )
    op.create_index("ix_share_request_case_id", "share_request", ["case_id"])
    op.create_index("ix_share_request_owner", "share_request", ["care_provider_id", "status"])
    op.create_index(
        "ix_share_request_performer", "share_request", ["performer_provider_id", "performer_department_id", "status"]
    )
    op.create_index(
        "uq_share_request_transfer",
        "share_request",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text(f"type = 'WORKLOAD_TRANSFER' AND status IN ('SUBMITTED', 'HELD', 'OFFERED', {TAKEN})"),
    )


def _make_holds() -> None:
    op.create_table(
        "request_hold",
        *_kept(versioned=False),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("whose_turn", sa.String(40), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT),
        sa.Column("resolved_by", sa.Uuid),
        _one_of("reason", "AGREEMENT SPARR CONSENT IMAGE_NOT_READY QC_FAIL IDENTITY PROTECTED_REVIEW"),
        _one_of("whose_turn", "OWNER PERFORMER"),
    )
    op.create_index("ix_request_hold_request_id", "request_hold", ["request_id"])
    op.create_index(
        "uq_request_hold_open",
        "request_hold",
        ["request_id", "reason"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )


def _make_disclosures() -> None:
    op.create_table(
        "disclosure",
        *_kept(versioned=False),
        _refer("request_id", "share_request"),
        sa.Column("version_no", sa.Integer, nullable=False),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        _refer("unit_id", "care_unit"),
        _refer("to_provider_id", "care_provider"),
        _refer("to_unit_id", "care_unit"),
        sa.Column("to_named", ARRAY(sa.Uuid), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("legal_ground", sa.String(40), nullable=False),
        _refer("consent_assertion_id", "consent_assertion", nullable=True),
        sa.Column("harm_test_comment", sa.String),
        sa.Column("harm_tested_by", sa.Uuid, nullable=False),
        sa.Column("harm_tested_at", MOMENT, nullable=False),
        sa.Column("manifest_sha256", sa.LargeBinary, nullable=False),
        sa.Column("decided_by", sa.Uuid, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT, nullable=False),
        sa.Column("agreement_snapshot_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("ended_by", sa.Uuid),
        sa.Column("end_reason", sa.String),
        sa.UniqueConstraint("request_id", "version_no"),
        _one_of("state", "ACTIVE SUSPENDED ENDED REVOKED"),
        sa.CheckConstraint("(state IN ('ENDED', 'REVOKED')) = (ended_at IS NOT NULL)", name="end_is_whole"),
        sa.CheckConstraint("valid_to > valid_from", name="dates_in_order"),
        sa.CheckConstraint(
            "legal_ground <> 'CONSENT_EXPLICIT' OR consent_assertion_id IS NOT NULL", name="consent_is_named"
        ),
    )
    op.create_index("ix_disclosure_case_id", "disclosure", ["case_id"])
    op.create_index(
        "uq_disclosure_live",
        "disclosure",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('ACTIVE', 'SUSPENDED')"),
    )
    op.create_table(
        "disclosed_item",
        *_kept(versioned=False),
        _refer("disclosure_id", "disclosure"),
        _refer("request_id", "share_request"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("resource_id", sa.Uuid, nullable=False),
        sa.UniqueConstraint("disclosure_id", "kind", "resource_id"),
        _one_of("kind", "SLIDE GLASS ATTACHMENT CASE"),
    )
    op.create_index("ix_disclosed_item_resource_id", "disclosed_item", ["resource_id"])


def _make_tasks() -> None:
    op.create_table(
        "task_assignment",
        *_kept(),
        _refer("care_provider_id", "care_provider"),
        _refer("request_id", "share_request"),
        _refer("assignment_id", "assignment"),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("assigned_by", sa.Uuid),
        sa.Column("assigned_at", MOMENT, nullable=False),
        sa.Column("released_at", MOMENT),
        sa.Column("release_reason", sa.String),
        _one_of("role", "READER COUNTERSIGNER OBSERVER LAB"),
    )
    op.create_index("ix_task_assignment_request_id", "task_assignment", ["request_id"])
    op.create_index("ix_task_assignment_assignment_id", "task_assignment", ["assignment_id"])
    op.create_index(
        "uq_task_assignment_request_id_role",
        "task_assignment",
        ["request_id", "role"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL AND role IN ('READER', 'COUNTERSIGNER')"),
    )


def _protect() -> None:
    """Both parties see a request's rows; a request, a disclosure and its items are made by the owner alone."""
    party = f"{OWN} OR (performer_provider_id = {ME} AND offered_at IS NOT NULL)"
    change = "SELECT, INSERT, UPDATE"
    protect("share_request", visible=party, writable=party, platform="SELECT, UPDATE", worker="SELECT, UPDATE")
    for table, app, platform, worker in (
        ("request_hold", change, change, change),
        ("task_assignment", change, change, change),
        ("disclosure", "SELECT, INSERT", "SELECT, INSERT", "SELECT"),
        ("disclosed_item", "SELECT, INSERT", "SELECT, INSERT", "SELECT"),
    ):
        party = PARTY.format(request_id=f"{table}.request_id")
        protect(table, visible=party, writable=party, app=app, platform=platform, worker=worker)
    op.execute(
        "GRANT UPDATE (state, ended_at, ended_by, end_reason, updated_at) ON disclosure"
        " TO samsyn_app, samsyn_platform, samsyn_worker"
    )
    for table in ("share_request", "disclosure"):
        op.execute(f"CREATE POLICY own_new ON {table} AS RESTRICTIVE FOR INSERT TO samsyn_app WITH CHECK ({OWN})")
    # What is in a disclosure is for its owner to say, who alone made the disclosure.
    op.execute(
        "CREATE POLICY own_new ON disclosed_item AS RESTRICTIVE FOR INSERT TO samsyn_app WITH CHECK (EXISTS ("
        f"SELECT FROM disclosure WHERE disclosure.id = disclosed_item.disclosure_id AND disclosure.{OWN}))"
    )
    # Moves of what belongs to no request are the owner's alone.
    seen = f"{OWN} OR (request_id IS NOT NULL AND {PARTY.format(request_id='state_event.request_id')})"
    protect(
        "state_event",
        visible=seen,
        writable=seen,
        app="SELECT, INSERT",
        platform="SELECT, INSERT",
        worker="SELECT, INSERT",
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Rows of % are only ever added: % is refused.', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    for table in ("state_event", "disclosed_item"):
        op.execute(
            f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _hold_sign_out() -> None:
    # As the owner: whoever commits must not miss a request that row security hides from them.
    op.execute(
        """
        CREATE FUNCTION check_sign_out() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            concerned CONSTANT uuid := CASE TG_TABLE_NAME WHEN 'share_request' THEN (to_jsonb(NEW)->>'case_id')::uuid
                                                          ELSE NEW.id END;
            in_hand CONSTANT text[] := '{ACCEPTED, ASSIGNED, IN_REVIEW, WAITING, COUNTERSIGN}';
            own uuid;
            holder uuid;
            taken uuid;
        BEGIN
            SELECT department_id, signout_department_id INTO own, holder FROM pathology_case WHERE id = concerned;
            SELECT performer_department_id INTO taken FROM share_request
            WHERE case_id = concerned AND type = 'WORKLOAD_TRANSFER'
              AND (status = ANY (in_hand) OR held_from = ANY (in_hand));
            IF holder = coalesce(taken, own) THEN
                RETURN NULL;
            END IF;
            -- After the final answer it stays with who signed it.
            IF taken IS NULL AND EXISTS (
                SELECT FROM share_request
                WHERE case_id = concerned AND type = 'WORKLOAD_TRANSFER' AND performer_department_id = holder
                  AND status IN ('ANSWERED', 'ACKNOWLEDGED', 'CLOSED')
            ) THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION 'Exactly one department signs out a case: its own, or that of its accepted transfer.'
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    for table, event, when in (
        ("pathology_case", "INSERT", "NEW.signout_department_id <> NEW.department_id"),
        ("pathology_case", "UPDATE OF department_id, signout_department_id", "true"),
        ("share_request", "INSERT", "NEW.type = 'WORKLOAD_TRANSFER'"),
        (
            "share_request",
            "UPDATE OF status, held_from, type, case_id, performer_department_id",
            "NEW.type = 'WORKLOAD_TRANSFER' OR OLD.type = 'WORKLOAD_TRANSFER'",
        ),
    ):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER one_sign_out_{event.split()[0].lower()} AFTER {event} ON {table}"
            f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION check_sign_out()"
        )
