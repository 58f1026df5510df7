"""The log, append-only and chained; its reviews; the patient's extract."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cases.migrations.protection import OWN, protect

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)
ME = "NULLIF(current_setting('samsyn.care_provider', true), '')::uuid"


def upgrade() -> None:
    _make_log()
    _chain_log()
    _keep_log()
    _make_reviews()
    _make_extracts()


def _make_log() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("activity", sa.String(40)),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("code", sa.String),
        sa.Column("basis", sa.String),
        sa.Column("decision_id", sa.Uuid),
        sa.Column("purpose", sa.String(40)),
        sa.Column("person_id", sa.Uuid),
        sa.Column("assignment_id", sa.Uuid),
        sa.Column("unit_id", sa.Uuid),
        sa.Column("session_id", sa.Uuid),
        sa.Column("client_ip", sa.String),
        sa.Column("user_agent_digest", sa.String),
        sa.Column("args", JSONB, nullable=False),
        sa.Column("owners", ARRAY(sa.Uuid), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
        sa.CheckConstraint("outcome IN ('OK', 'DENIED', 'ERROR')", name="outcome_is_known"),
    )
    op.create_index("uq_audit_event_place", "audit_event", ["care_provider_id", "seq"], unique=True)
    op.create_index("ix_audit_event_provider", "audit_event", ["care_provider_id", "at", "id"])
    op.create_index("ix_audit_event_event", "audit_event", ["care_provider_id", "event", "at", "id"])
    op.create_index("ix_audit_event_person", "audit_event", ["person_id", "at", "id"])
    op.create_index(
        "ix_audit_event_trouble",
        "audit_event",
        ["care_provider_id", "outcome", "at", "id"],
        postgresql_where="outcome <> 'OK'",
    )
    for name, column in (("ix_audit_event_shared_event", "event"), ("ix_audit_event_shared_person", "person_id")):
        op.create_index(name, "audit_event", [column, "at", "id"], postgresql_where="owners <> '{}'")
    op.create_table(
        "audit_subject",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("patient_id", sa.Uuid),
        sa.Column("provider_id", sa.Uuid),
        sa.Column("unit_id", sa.Uuid),
        sa.PrimaryKeyConstraint("event_id", "ordinal", name="pk_audit_subject"),
    )
    op.create_index(
        "ix_audit_subject_patient",
        "audit_subject",
        ["patient_id", "at", "event_id"],
        postgresql_where="patient_id IS NOT NULL",
    )
    op.create_index(
        "ix_audit_subject_owner",
        "audit_subject",
        ["provider_id", "at", "event_id"],
        postgresql_where="provider_id <> care_provider_id",
    )
    op.create_table(
        "audit_head",
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("prev_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("care_provider_id", name="pk_audit_head"),
    )


def _chain_log() -> None:
    # Updating the head locks it until the commit. It runs as the owner: nobody else may touch the heads.
    op.execute(
        """
        CREATE FUNCTION link_audit_event() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            digest CONSTANT bytea NOT NULL := NEW.hash;
        BEGIN
            LOOP
                UPDATE audit_head
                SET seq = seq + 1, prev_hash = hash, hash = sha256(hash || int8send(seq + 1) || digest)
                WHERE care_provider_id = NEW.care_provider_id
                RETURNING seq, prev_hash, hash INTO NEW.seq, NEW.prev_hash, NEW.hash;
                IF FOUND THEN
                    RETURN NEW;
                END IF;
                INSERT INTO audit_head VALUES (NEW.care_provider_id, 0, ''::bytea, decode(repeat('00', 32), 'hex'))
                ON CONFLICT DO NOTHING;
            END LOOP;
        END $$
        """
    )
    op.execute("CREATE TRIGGER link BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION link_audit_event()")


def _keep_log() -> None:
    # Subjects are written before their entry. As the owner: an entry may be one that who writes does not see.
    op.execute(
        """
        CREATE FUNCTION refuse_late_subject() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            IF EXISTS (SELECT FROM audit_event WHERE id = NEW.event_id) THEN
                RAISE EXCEPTION 'An entry of the log gets no further subject once it is written.'
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute("CREATE TRIGGER late BEFORE INSERT ON audit_subject FOR EACH ROW EXECUTE FUNCTION refuse_late_subject()")
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'The log can only be added to: % of % is refused.', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    for table, visible in (
        ("audit_event", f"{OWN} OR {ME} = ANY (owners)"),
        ("audit_subject", f"{OWN} OR provider_id = {ME}"),
    ):
        op.execute(
            f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()"
        )
        # Entries go into whichever chain is right, the platform's and another provider's too.
        protect(
            table, visible=visible, writable="true", app="SELECT, INSERT", platform="SELECT, INSERT", worker="INSERT"
        )
    op.execute("ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT ON audit_head TO samsyn_platform, samsyn_worker")
    op.execute("CREATE POLICY platform ON audit_head TO samsyn_platform, samsyn_worker USING (true)")


def _kept() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
    ]


def _make_reviews() -> None:
    op.create_table(
        "log_review",
        *_kept(),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("seed", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("pairs", sa.Integer),
        sa.Column("wanted", sa.Integer),
        sa.Column("sampled_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("incident_ref", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_log_review"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"], name="fk_log_review_care_provider_id"),
        sa.UniqueConstraint("care_provider_id", "month", name="uq_log_review_care_provider_id_month"),
        sa.UniqueConstraint("id", "care_provider_id", name="uq_log_review_id_care_provider_id"),
        sa.CheckConstraint("state IN ('PLANNED', 'SAMPLED', 'IN_REVIEW', 'DONE', 'ESCALATED')", name="state_is_known"),
        sa.CheckConstraint("month = date_trunc('month', month)", name="month_is_its_first_day"),
        sa.CheckConstraint("(state = 'PLANNED') = (sampled_at IS NULL)", name="sampled_when_planned_no_more"),
        sa.CheckConstraint("(state IN ('DONE', 'ESCALATED')) = (finished_at IS NOT NULL)", name="finished_has_a_time"),
        sa.CheckConstraint("state <> 'ESCALATED' OR incident_ref IS NOT NULL", name="escalated_to_something"),
    )
    op.create_table(
        "log_review_finding",
        *_kept(),
        sa.Column("review_id", sa.Uuid, nullable=False),
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("unit_id", sa.Uuid, nullable=False),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("reasons", ARRAY(sa.String), nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("reviewer_id", sa.Uuid),
        sa.Column("question", sa.String),
        sa.Column("answer", sa.String),
        sa.Column("result", sa.String(40)),
        sa.Column("comment", sa.String),
        sa.Column("closed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_log_review_finding"),
        sa.ForeignKeyConstraint(
            ["review_id", "care_provider_id"],
            ["log_review.id", "log_review.care_provider_id"],
            name="fk_log_review_finding_review_id_care_provider_id",
        ),
        sa.UniqueConstraint(
            "review_id", "assignment_id", "patient_id", name="uq_log_review_finding_review_id_assignment_id_patient_id"
        ),
        sa.CheckConstraint("result IN ('JUSTIFIED', 'UNJUSTIFIED')", name="result_is_known"),
        sa.CheckConstraint("(result IS NULL) = (closed_at IS NULL)", name="closed_with_a_result"),
        sa.CheckConstraint("result IS NULL OR reviewer_id IS NOT NULL", name="closed_by_somebody"),
        sa.CheckConstraint("result <> 'UNJUSTIFIED' OR comment IS NOT NULL", name="unjustified_says_why"),
        sa.CheckConstraint("last_at >= first_at", name="ends_after_it_begins"),
    )
    op.create_index("ix_log_review_finding_care_provider_id", "log_review_finding", ["care_provider_id"])
    protect("log_review")
    protect("log_review_finding")


def _make_extracts() -> None:
    op.create_table(
        "access_log_extract",
        *_kept(),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("period_start", MOMENT, nullable=False),
        sa.Column("period_end", MOMENT, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("identity_proof", sa.String(40)),
        sa.Column("identity_checked_at", MOMENT),
        sa.Column("identity_checked_by", sa.Uuid),
        sa.Column("content", JSONB),
        sa.Column("generated_at", MOMENT),
        sa.Column("reviewed_at", MOMENT),
        sa.Column("reviewed_by", sa.Uuid),
        sa.Column("delivery", sa.String(40)),
        sa.Column("delivered_at", MOMENT),
        sa.Column("delivered_by", sa.Uuid),
        sa.PrimaryKeyConstraint("id", name="pk_access_log_extract"),
        sa.ForeignKeyConstraint(
            ["care_provider_id"], ["care_provider.id"], name="fk_access_log_extract_care_provider_id"
        ),
        sa.CheckConstraint(
            "state IN ('REQUESTED', 'IDENTITY_CHECKED', 'GENERATED', 'REVIEWED', 'DELIVERED')", name="state_is_known"
        ),
        sa.CheckConstraint("identity_proof IN ('ID_CARD', 'E_ID', 'REGISTERED_ADDRESS')", name="proof_is_known"),
        sa.CheckConstraint("delivery IN ('IN_PERSON', 'REGISTERED_LETTER', 'DIGITAL')", name="delivery_is_known"),
        sa.CheckConstraint("period_end > period_start", name="ends_after_it_begins"),
        sa.CheckConstraint(
            "(identity_proof IS NULL) = (identity_checked_at IS NULL)"
            " AND (identity_proof IS NULL) = (state = 'REQUESTED')",
            name="identity_checked_first",
        ),
        sa.CheckConstraint(
            "(content IS NULL) = (generated_at IS NULL)"
            " AND (content IS NULL) = (state IN ('REQUESTED', 'IDENTITY_CHECKED'))",
            name="generated_with_content",
        ),
        sa.CheckConstraint(
            "(reviewed_at IS NOT NULL) = (state IN ('REVIEWED', 'DELIVERED'))", name="reviewed_before_delivery"
        ),
        sa.CheckConstraint(
            "(delivered_at IS NOT NULL) = (state = 'DELIVERED') AND (delivered_at IS NULL) = (delivery IS NULL)",
            name="delivered_somehow",
        ),
    )
    op.create_index("ix_access_log_extract_patient_id", "access_log_extract", ["care_provider_id", "patient_id"])
    protect("access_log_extract")
