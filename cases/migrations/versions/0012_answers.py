"""Answers: versions, signatures, what came of a discrepancy, oral reports."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from cases.migrations.protection import OWN, PARTY, protect

revision = "0012"
down_revision = "0011"

MOMENT = sa.DateTime(timezone=True)
AGREEMENT = "('AGREE', 'MINOR_DISCREPANCY', 'MAJOR_DISCREPANCY', 'NOT_ASSESSABLE', 'NOT_APPLICABLE')"


def upgrade() -> None:
    _answers()
    _versions()
    _signatures()
    _what_follows()
    _keep()


def _kept(*, versioned: bool = False) -> list[sa.Column[Any]]:
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


def _answers() -> None:
    op.create_table(
        "answer",
        *_kept(versioned=True),
        _refer("request_id", "share_request"),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        _refer("unit_id", "care_unit"),
        _refer("author_assignment_id", "assignment"),
        _refer("amender_assignment_id", "assignment", nullable=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("visibility", sa.String(40), nullable=False),
        sa.Column("head", sa.Integer, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("released", sa.Integer),
        sa.Column("released_at", MOMENT),
        sa.Column("agreement", sa.String(40)),
        sa.Column("discrepancy", sa.String(40)),
        sa.CheckConstraint("head BETWEEN 1 AND last", name="head_is_a_version"),
        sa.CheckConstraint("released <= last AND (released IS NULL) = (released_at IS NULL)", name="release_is_whole"),
        sa.CheckConstraint("kind IN ('CONSULT_OPINION', 'PRIMARY_REPORT', 'MDT_STATEMENT')", name="kind_is_known"),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'PRELIMINARY', 'AWAITING_COUNTERSIGN', 'FINAL', 'APPENDED', 'AMENDED', 'CORRECTED',"
            " 'ENTERED_IN_ERROR')",
            name="status_is_known",
        ),
        sa.CheckConstraint(
            "status NOT IN ('PRELIMINARY', 'FINAL', 'APPENDED', 'AMENDED', 'CORRECTED') OR released IS NOT NULL",
            name="signed_is_released",
        ),
        sa.CheckConstraint(f"agreement IN {AGREEMENT}", name="agreement_is_known"),
    )
    for column in ("request_id", "case_id", "care_provider_id", "author_assignment_id"):
        op.create_index(f"ix_answer_{column}", "answer", [column])
    op.create_index(
        "uq_answer_request_id_standing",
        "answer",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('DRAFT', 'ENTERED_IN_ERROR')"),
    )
    seen = f"{OWN} OR (answer.released_at IS NOT NULL AND {PARTY.format(request_id='answer.request_id')})"
    protect("answer", visible=seen, worker="SELECT")


def _versions() -> None:
    op.create_table(
        "answer_version",
        *_kept(),
        _refer("answer_id", "answer"),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("base_number", sa.Integer),
        sa.Column("saving", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(40), nullable=False),
        _refer("author_assignment_id", "assignment"),
        sa.Column("saved_at", MOMENT, nullable=False),
        sa.Column("content", JSONB, nullable=False),
        sa.Column("findings", JSONB),
        sa.Column("amendment", JSONB),
        sa.Column("content_sha256", sa.String),
        sa.Column("released_at", MOMENT),
        sa.UniqueConstraint("answer_id", "number"),
        sa.CheckConstraint("base_number < number AND (base_number IS NULL) = (number = 1)", name="base_is_older"),
        sa.CheckConstraint("(stage = 'DRAFT') = (content_sha256 IS NULL)", name="signed_has_a_hash"),
        sa.CheckConstraint("released_at IS NULL OR stage <> 'DRAFT'", name="drafts_stay_at_home"),
        sa.CheckConstraint(
            "stage IN ('DRAFT', 'PRELIMINARY', 'FINAL', 'ADDENDUM', 'AMENDED', 'CORRECTED')", name="stage_is_known"
        ),
        sa.CheckConstraint("saving IN ('TYPED', 'AUTOSAVED', 'DICTATED', 'SIGNED')", name="saving_is_known"),
    )
    op.create_index("ix_answer_version_request_id", "answer_version", ["request_id"])
    party = PARTY.format(request_id="answer_version.request_id")
    protect(
        "answer_version",
        visible=f"{OWN} OR (answer_version.released_at IS NOT NULL AND {party})",
        app="SELECT, INSERT, UPDATE (released_at, updated_at)",
        worker="SELECT",
    )


def _signatures() -> None:
    op.create_table(
        "signature",
        *_kept(),
        _refer("answer_version_id", "answer_version"),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("assignment_id", "assignment"),
        sa.Column("meaning", sa.String(40), nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("method", sa.String(40), nullable=False),
        sa.Column("auth_time", MOMENT, nullable=False),
        sa.Column("content_sha256", sa.String, nullable=False),
        sa.Column("voided_at", MOMENT),
        sa.UniqueConstraint("answer_version_id", "assignment_id", "meaning"),
        sa.CheckConstraint("auth_time <= signed_at", name="proof_comes_first"),
        sa.CheckConstraint(
            "meaning IN ('AUTHOR', 'COUNTERSIGN', 'ACKNOWLEDGE', 'DICTATION_CHECK')", name="meaning_is_known"
        ),
    )
    op.create_index("ix_signature_request_id", "signature", ["request_id"])
    version = "EXISTS (SELECT FROM answer_version WHERE answer_version.id = signature.answer_version_id)"
    protect(
        "signature",
        visible=f"{OWN} OR {version}",
        writable=f"{OWN} AND {version}",
        app="SELECT, INSERT, UPDATE (voided_at, updated_at)",
        worker="SELECT",
    )


def _what_follows() -> None:
    op.create_table(
        "answer_reading",
        *_kept(),
        _refer("answer_version_id", "answer_version"),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("assignment_id", "assignment"),
        sa.Column("at", MOMENT, nullable=False),
        sa.UniqueConstraint("answer_version_id", "assignment_id"),
    )
    op.create_table(
        "reconciliation",
        *_kept(versioned=True),
        _refer("care_provider_id", "care_provider"),
        _refer("request_id", "share_request"),
        _refer("answer_version_id", "answer_version"),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(40)),
        _refer("decided_by", "assignment", nullable=True),
        sa.Column("decided_at", MOMENT),
        sa.Column("deviation_ref", sa.String),
        sa.Column("clinician_informed_at", MOMENT),
        sa.Column("clinician_informed_how", sa.String),
        _refer("third_request_id", "share_request", nullable=True),
        sa.UniqueConstraint("answer_version_id"),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)",
            name="decision_is_whole",
        ),
        sa.CheckConstraint("decided_at >= started_at", name="dates_in_order"),
        sa.CheckConstraint(
            "(clinician_informed_at IS NULL) = (clinician_informed_how IS NULL)", name="clinician_informed_somehow"
        ),
        sa.CheckConstraint(
            "outcome IN ('PRIMARY_AMENDED', 'CONSENSUS_PRIMARY', 'CONSENSUS_CONSULT', 'THIRD_OPINION',"
            " 'DISAGREEMENT_STANDS')",
            name="outcome_is_known",
        ),
    )
    op.create_table(
        "oral_report",
        *_kept(),
        _refer("request_id", "share_request"),
        _refer("care_provider_id", "care_provider"),
        _refer("given_by", "assignment"),
        sa.Column("given_to_name", sa.String, nullable=False),
        sa.Column("given_to_role", sa.String, nullable=False),
        sa.Column("given_to_unit", sa.String, nullable=False),
        sa.Column("phone", sa.String),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("read_back", sa.Boolean, nullable=False),
        _refer("answer_id", "answer", nullable=True),
    )
    op.create_table(
        "answer_rules",
        *_kept(versioned=True),
        _refer("care_provider_id", "care_provider"),
        sa.Column("codes_required", sa.Boolean, nullable=False),
        sa.UniqueConstraint("care_provider_id"),
    )
    for table in ("answer_reading", "reconciliation", "oral_report"):
        op.create_index(f"ix_{table}_request_id", table, ["request_id"])
    seen = f"{OWN} OR {PARTY}"
    protect("answer_reading", visible=seen.format(request_id="answer_reading.request_id"), app="SELECT, INSERT")
    protect("reconciliation", visible=seen.format(request_id="reconciliation.request_id"), worker="SELECT")
    protect(
        "oral_report",
        visible=seen.format(request_id="oral_report.request_id"),
        app="SELECT, INSERT, UPDATE (answer_id, updated_at)",
        worker="SELECT",
    )
    protect("answer_rules")
    for table in ("answer", "answer_version", "signature", "reconciliation", "oral_report"):
        # The other party reads what was released to it and changes nothing in it.
        op.execute(f"CREATE POLICY own_changes ON {table} AS RESTRICTIVE FOR UPDATE TO samsyn_app USING ({OWN})")


def _keep() -> None:
    # What was written stays as it was, but for what is noted on it once. As the owner of the tables, too.
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_record() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            later CONSTANT text[] := TG_ARGV;
            noted text;
        BEGIN
            IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - later - 'updated_at' = to_jsonb(OLD) - later - 'updated_at' THEN
                FOREACH noted IN ARRAY later LOOP
                    IF to_jsonb(OLD) ->> noted IS DISTINCT FROM to_jsonb(NEW) ->> noted
                        AND to_jsonb(OLD) ->> noted IS NOT NULL THEN
                        RAISE EXCEPTION '% of % is noted once and stays.', noted, TG_TABLE_NAME
                            USING ERRCODE = 'insufficient_privilege';
                    END IF;
                END LOOP;
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'A record document stays as it was written: % of % is refused.', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    noted = {"answer_version": "released_at", "signature": "voided_at", "oral_report": "answer_id"}
    for table, column in (*noted.items(), ("answer_reading", None)):
        given = f"'{column}'" if column else ""
        op.execute(
            f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION refuse_change_of_record({given})"
        )
        op.execute(
            f"CREATE TRIGGER keep_all BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record()"
        )
    op.execute(
        "CREATE TRIGGER keep_all BEFORE DELETE OR TRUNCATE ON answer"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record()"
    )
