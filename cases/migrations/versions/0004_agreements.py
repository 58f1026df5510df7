"""Agreements, the services described under them, and evidence that a care provider is ready.

What was agreed stays as it was agreed: triggers keep a signed text, a signature and an accepted service from changing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from cases.migrations.protection import protect

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
ACTING = "NULLIF(current_setting('samsyn.care_provider', true), '')::uuid"


def kept() -> list[sa.Column]:  # type: ignore[type-arg]
    """Columns of every table whose rows people change."""
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
    ]


def keep(table: str, name: str, once: str, columns: str) -> None:
    """Refuse to change columns of a row of which something holds already, whoever tries."""
    old, new = (", ".join(f"{row}.{column}" for column in columns.split(", ")) for row in ("OLD", "NEW"))
    op.execute(
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW"
        f" WHEN ({once} AND ROW({old}) IS DISTINCT FROM ROW({new})) EXECUTE FUNCTION refuse_to_change_agreed()"
    )


def upgrade() -> None:
    op.create_table(
        "agreement",
        *kept(),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("party_a", sa.Uuid, nullable=False),
        sa.Column("party_b", sa.Uuid),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("document_ref", sa.String, nullable=False),
        sa.Column("doc_sha256", sa.String, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
        sa.Column("notice_period_days", sa.Integer, nullable=False),
        sa.Column("run_off_days", sa.Integer, nullable=False),
        sa.Column("instructions_ref", sa.String),
        sa.Column("sub_processors", sa.ARRAY(sa.String), nullable=False),
        sa.Column("signed_a_by", sa.Uuid),
        sa.Column("signed_a_at", MOMENT),
        sa.Column("signed_b_by", sa.Uuid),
        sa.Column("signed_b_at", MOMENT),
        sa.Column("operator_signatory", sa.String),
        sa.Column("terminated_at", MOMENT),
        sa.Column("ending", sa.String(40)),
        sa.Column("ending_reason", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_agreement"),
        sa.ForeignKeyConstraint(["party_a"], ["care_provider.id"], name="fk_agreement_party_a"),
        sa.ForeignKeyConstraint(["party_b"], ["care_provider.id"], name="fk_agreement_party_b"),
        sa.CheckConstraint(
            "type IN ('CONNECTION', 'COOPERATION', 'PUB', 'COHERENT_RECORD', 'STAFF')", name="agreement_type"
        ),
        sa.CheckConstraint("ending IN ('WITHDRAWN', 'UNDER_NOTICE', 'RESCINDED')", name="agreement_ending"),
        sa.CheckConstraint("(type IN ('COOPERATION', 'STAFF')) = (party_b IS NOT NULL)", name="parties_fit_type"),
        sa.CheckConstraint("party_a <> party_b", name="parties_are_two"),
        sa.CheckConstraint("doc_sha256 ~ '^[0-9a-f]{64}$'", name="document_has_a_digest"),
        sa.CheckConstraint("valid_to > valid_from", name="dates_in_order"),
        sa.CheckConstraint("notice_period_days >= 0 AND run_off_days >= 0", name="days_are_not_negative"),
        sa.CheckConstraint("run_off_days = 0 OR type = 'COOPERATION'", name="only_cooperation_runs_off"),
        sa.CheckConstraint("type <> 'PUB' OR instructions_ref IS NOT NULL", name="processing_has_instructions"),
        sa.CheckConstraint("(signed_a_at IS NULL) = (signed_a_by IS NULL)", name="signature_a_is_whole"),
        sa.CheckConstraint(
            "(signed_b_at IS NULL) = (signed_b_by IS NULL AND operator_signatory IS NULL)", name="signature_b_is_whole"
        ),
        sa.CheckConstraint("operator_signatory IS NULL OR party_b IS NULL", name="operator_signs_for_itself"),
        sa.CheckConstraint("num_nonnulls(terminated_at, ending, ending_reason) IN (0, 3)", name="ending_is_whole"),
    )
    op.create_index("ix_agreement_party_a", "agreement", ["party_a"])
    op.create_index("ix_agreement_party_b", "agreement", ["party_b"])

    op.create_table(
        "service_description",
        *kept(),
        sa.Column("agreement_id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("performer_id", sa.Uuid, nullable=False),
        sa.Column("performer_department_id", sa.Uuid, nullable=False),
        sa.Column("request_type", sa.String(40), nullable=False),
        sa.Column("subspecialties", sa.ARRAY(sa.String), nullable=False),
        sa.Column("legal_model", sa.String(40), nullable=False),
        sa.Column("responsibility_model", sa.String(40), nullable=False),
        sa.Column("accept_minutes", JSONB, nullable=False),
        sa.Column("answer_minutes", JSONB, nullable=False),
        sa.Column("max_cases_per_week", sa.Integer),
        sa.Column("requires_receiver_accession", sa.Boolean, nullable=False),
        sa.Column("countersign_rule", sa.String(40), nullable=False),
        sa.Column("cancer_notification_by", sa.String(40), nullable=False),
        sa.Column("allow_download", sa.Boolean, nullable=False),
        sa.Column("price_list_id", sa.Uuid),
        sa.Column("disclosure_ttl_days", sa.Integer, nullable=False),
        sa.Column("post_answer_view_days", sa.Integer, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
        sa.Column("proposed_by", sa.Uuid, nullable=False),
        sa.Column("accepted_by", sa.Uuid),
        sa.Column("accepted_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_service_description"),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_service_description_{column}")
            for column, table in (
                ("agreement_id", "agreement"),
                ("customer_id", "care_provider"),
                ("performer_id", "care_provider"),
                ("performer_department_id", "department"),
                ("proposed_by", "care_provider"),
            )
        ),
        sa.CheckConstraint(
            "request_type IN ('SECOND_OPINION', 'REVIEW', 'WORKLOAD_TRANSFER', 'INTRAOPERATIVE', 'MDT_PREP')",
            name="request_type",
        ),
        sa.CheckConstraint("legal_model IN ('OWN_ASSIGNMENT', 'DISCLOSURE', 'COHERENT_RECORD')", name="legal_model"),
        sa.CheckConstraint("responsibility_model IN ('INDEPENDENT', 'UNDER_OWNER')", name="responsibility_model"),
        sa.CheckConstraint("countersign_rule IN ('NONE', 'RESIDENT', 'MALIGNANT', 'ALWAYS')", name="countersign_rule"),
        sa.CheckConstraint("cancer_notification_by IN ('OWNER', 'PERFORMER')", name="cancer_notification_by"),
        sa.CheckConstraint("customer_id <> performer_id", name="parties_are_two"),
        sa.CheckConstraint("proposed_by IN (customer_id, performer_id)", name="proposer_is_a_party"),
        sa.CheckConstraint("valid_to > valid_from", name="dates_in_order"),
        sa.CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="acceptance_is_whole"),
        sa.CheckConstraint("max_cases_per_week > 0", name="cases_are_some"),
        sa.CheckConstraint("disclosure_ttl_days > 0 AND post_answer_view_days >= 0", name="days_are_not_negative"),
    )
    for column in ("agreement_id", "customer_id", "performer_id"):
        op.create_index(f"ix_service_description_{column}", "service_description", [column])

    op.create_table(
        "evidence",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("item", sa.String(40), nullable=False),
        sa.Column("evidence_ref", sa.String),
        sa.Column("given_by", sa.Uuid),
        sa.Column("given_at", MOMENT),
        sa.Column("valid_to", MOMENT),
        sa.Column("owner", sa.String),
        sa.Column("due", sa.Date),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"], name="fk_evidence_care_provider_id"),
        sa.UniqueConstraint("care_provider_id", "item", name="uq_evidence_care_provider_id_item"),
        sa.CheckConstraint(
            "item IN ('DPIA', 'NETWORK', 'WSI_VALIDATION', 'INTENDED_USE', 'BILLING_CONTACT')", name="evidence_item"
        ),
        sa.CheckConstraint("num_nonnulls(evidence_ref, given_by, given_at) IN (0, 3)", name="evidence_is_whole"),
    )

    op.execute(
        """
        CREATE FUNCTION refuse_to_change_agreed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'what was agreed in % stays as it was agreed', TG_TABLE_NAME
                USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
        END $$
        """
    )
    text = (
        "type, party_a, party_b, purpose, document_ref, doc_sha256, valid_from, valid_to, notice_period_days,"
        " run_off_days, instructions_ref, sub_processors"
    )
    keep("agreement", "keep_text", "num_nonnulls(OLD.signed_a_at, OLD.signed_b_at) > 0", text)
    keep("agreement", "keep_signature_a", "OLD.signed_a_at IS NOT NULL", "signed_a_at, signed_a_by")
    keep("agreement", "keep_signature_b", "OLD.signed_b_at IS NOT NULL", "signed_b_at, signed_b_by, operator_signatory")
    op.execute(
        "CREATE TRIGGER keep_ending BEFORE UPDATE ON agreement FOR EACH ROW"
        " WHEN (OLD.terminated_at IS NOT NULL"
        " AND (NEW.terminated_at IS NULL OR NEW.terminated_at > OLD.terminated_at))"
        " EXECUTE FUNCTION refuse_to_change_agreed()"
    )
    service = (
        "agreement_id, customer_id, performer_id, performer_department_id, request_type, subspecialties, legal_model,"
        " responsibility_model, accept_minutes, answer_minutes, max_cases_per_week, requires_receiver_accession,"
        " countersign_rule, cancer_notification_by, allow_download, price_list_id, disclosure_ttl_days,"
        " post_answer_view_days, valid_from, valid_to, proposed_by"
    )
    keep("service_description", "keep_terms", "true", service)
    keep("service_description", "keep_acceptance", "OLD.accepted_at IS NOT NULL", "accepted_at, accepted_by")
    keep("service_description", "keep_ending", "OLD.ended_at IS NOT NULL", "ended_at")

    parties = f"{ACTING} IN (party_a, party_b)"
    protect("agreement", visible=parties, writable=parties, worker="SELECT")
    for party in "ab":
        # Nobody signs for the other: the web acts for one care provider at a time.
        signed = f"signed_{party}_at"
        op.execute(
            f"CREATE TRIGGER sign_for_oneself_{party} BEFORE UPDATE OF {signed} ON agreement FOR EACH ROW"
            f" WHEN (current_user = 'samsyn_app' AND NEW.{signed} IS DISTINCT FROM OLD.{signed}"
            f" AND NEW.party_{party} <> {ACTING}) EXECUTE FUNCTION refuse_to_change_agreed()"
        )
    both = f"{ACTING} IN (customer_id, performer_id)"
    protect("service_description", visible=both, writable=both)
    protect("evidence")
