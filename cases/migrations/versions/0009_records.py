"""Referrals, specimens, tissue blocks and glass slides; moves that were made, and keys of changes that happen once."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from cases.migrations.protection import OWN, granted, protect

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)
RIGHT = sa.text("entered_in_error_at IS NULL")
STAMPS = (
    "referral_decided_at",
    "collected_at",
    "grossing_started_at",
    "digitised_at",
    "released_at",
    "diagnosis_started_at",
    "ancillary_ordered_at",
    "ready_to_sign_at",
    "report_sent_at",
    "report_ack_at",
    "mdt_at",
    "patient_informed_at",
)


def upgrade() -> None:
    _cases()
    _referrals()
    _specimens()
    _laboratories()
    _protect_records()
    _moves()
    _keys()


def _kept() -> list[sa.Column]:  # type: ignore[type-arg]
    return [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
    ]


def _refer(name: str, to: str, *, nullable: bool = False) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.Uuid, sa.ForeignKey(f"{to}.id"), nullable=nullable)


def _cases() -> None:
    op.add_column("pathology_case", _refer("signout_department_id", "department", nullable=True))
    op.execute("UPDATE pathology_case SET signout_department_id = department_id")
    op.alter_column("pathology_case", "signout_department_id", nullable=False)
    op.create_index("ix_pathology_case_signout_department_id", "pathology_case", ["signout_department_id"])
    for name, first in (("category", "HISTOLOGY"), ("priority", "ROUTINE")):
        op.add_column("pathology_case", sa.Column(name, sa.String(40), server_default=first, nullable=False))
        op.alter_column("pathology_case", name, server_default=None)
    columns: tuple[sa.Column[Any], ...] = (
        *(sa.Column(name, sa.String) for name in ("svf_code", "clinical_question", "clinical_history")),
        sa.Column("due_at", MOMENT),
        sa.Column("complexity_level", sa.String(40)),
        sa.Column("points", sa.Numeric(8, 2)),
        sa.Column("intended_use_mode_at_signing", sa.String),
        *(sa.Column(name, MOMENT) for name in STAMPS),
    )
    for column in columns:
        op.add_column("pathology_case", column)
    categories = ("HISTOLOGY", "CYTOLOGY", "FROZEN", "AUTOPSY", "HEMATOPATHOLOGY", "MOLECULAR")
    for name, rule in (
        ("case_category", f"category IN {categories}"),
        ("case_priority", "priority IN ('INTRAOP', 'SNABB', 'SVF', 'ROUTINE')"),
        ("complexity_level", "complexity_level IN ('L1', 'L2', 'L3', 'L4', 'L5', 'L6')"),
        ("points_are_some", "points >= 0"),
    ):
        op.create_check_constraint(name, "pathology_case", rule)
    op.create_table(
        "related_case",
        *_kept(),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        sa.Column("type", sa.String(40), nullable=False),
        _refer("related_case_id", "pathology_case", nullable=True),
        sa.Column("reference", sa.String),
        sa.UniqueConstraint("case_id", "type", "related_case_id", "reference", postgresql_nulls_not_distinct=True),
        sa.CheckConstraint("case_id <> related_case_id", name="another_case"),
        sa.CheckConstraint(
            "type IN ('PRIOR', 'FROZEN_TO_PARAFFIN', 'SAME_OPERATION', 'RADIOLOGY')", name="relation_type"
        ),
        sa.CheckConstraint(
            "(related_case_id IS NULL) = (type = 'RADIOLOGY') AND (reference IS NULL) = (type <> 'RADIOLOGY')",
            name="case_or_reference",
        ),
    )
    op.create_index("ix_related_case_care_provider_id", "related_case", ["care_provider_id"])
    op.create_index("ix_related_case_related_case_id", "related_case", ["related_case_id"])


def _referrals() -> None:
    op.create_table(
        "referral",
        *_kept(),
        sa.Column("case_id", sa.Uuid, sa.ForeignKey("pathology_case.id"), nullable=False, unique=True),
        _refer("care_provider_id", "care_provider"),
        _refer("referring_provider_id", "care_provider", nullable=True),
        _refer("referring_unit_id", "care_unit", nullable=True),
        _refer("referring_assignment_id", "assignment", nullable=True),
        sa.Column("referral_number", sa.String),
        sa.Column("ordered_at", MOMENT),
        sa.Column("question", sa.String),
        sa.Column("history", sa.String),
        sa.Column("cost_centre", sa.String),
        sa.Column("answer_due_requested", MOMENT),
        sa.Column("phone_for_urgent", sa.String),
        sa.Column("svf_code", sa.String),
        sa.Column("answer_recipients", sa.ARRAY(sa.Uuid), nullable=False),
    )
    op.create_index("ix_referral_care_provider_id", "referral", ["care_provider_id"])
    op.create_index("ix_referral_referring_unit_id", "referral", ["referring_unit_id"])
    op.create_index("ix_referral_answer_recipients", "referral", ["answer_recipients"], postgresql_using="gin")


def _specimens() -> None:
    op.create_table(
        "specimen",
        *_kept(),
        _refer("case_id", "pathology_case"),
        _refer("care_provider_id", "care_provider"),
        sa.Column("letter", sa.String, nullable=False),
        *(sa.Column(name, sa.String) for name in ("type", "type_code", "site", "site_code")),
        sa.Column("laterality", sa.String(40)),
        sa.Column("procedure", sa.String),
        sa.Column("collected_at", MOMENT),
        sa.Column("received_at", MOMENT),
        sa.Column("fixative", sa.String),
        sa.Column("gross_description", sa.String),
        sa.Column("entered_in_error_at", MOMENT),
        sa.UniqueConstraint("id", "case_id"),
        sa.CheckConstraint("laterality IN ('LEFT', 'RIGHT', 'BILATERAL')", name="laterality"),
    )
    op.create_index("ix_specimen_care_provider_id", "specimen", ["care_provider_id"])
    op.create_index(
        "uq_specimen_case_id_letter", "specimen", ["case_id", "letter"], unique=True, postgresql_where=RIGHT
    )
    op.create_table(
        "tissue_block",
        *_kept(),
        sa.Column("case_id", sa.Uuid, nullable=False),
        _refer("care_provider_id", "care_provider"),
        sa.Column("specimen_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String) for name in ("embedding", "description", "location")),
        sa.Column("entered_in_error_at", MOMENT),
        sa.UniqueConstraint("id", "specimen_id"),
        sa.ForeignKeyConstraint(["specimen_id", "case_id"], ["specimen.id", "specimen.case_id"]),
        sa.CheckConstraint("number > 0", name="number_is_positive"),
    )
    op.create_index("ix_tissue_block_case_id", "tissue_block", ["case_id"])
    op.create_index("ix_tissue_block_care_provider_id", "tissue_block", ["care_provider_id"])
    op.create_index(
        "uq_tissue_block_specimen_id_number",
        "tissue_block",
        ["specimen_id", "number"],
        unique=True,
        postgresql_where=RIGHT,
    )
    _glass()


def _glass() -> None:
    op.create_table(
        "glass_slide",
        *_kept(),
        sa.Column("case_id", sa.Uuid, nullable=False),
        _refer("care_provider_id", "care_provider"),
        sa.Column("specimen_id", sa.Uuid, nullable=False),
        sa.Column("tissue_block_id", sa.Uuid),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("stain_code", sa.String, nullable=False),
        sa.Column("stain_kind", sa.String(40), nullable=False),
        sa.Column("antibody", sa.String),
        sa.Column("level", sa.Integer),
        sa.Column("barcode", sa.String),
        sa.Column("label_text", sa.String),
        sa.Column("expected", sa.Boolean, nullable=False),
        sa.Column("entered_in_error_at", MOMENT),
        sa.UniqueConstraint("id", "case_id"),
        sa.ForeignKeyConstraint(["specimen_id", "case_id"], ["specimen.id", "specimen.case_id"]),
        sa.ForeignKeyConstraint(["tissue_block_id", "specimen_id"], ["tissue_block.id", "tissue_block.specimen_id"]),
        sa.CheckConstraint("number > 0", name="number_is_positive"),
        sa.CheckConstraint("stain_kind IN ('HE', 'SPECIAL', 'IHC', 'ISH', 'IF', 'CYTO')", name="stain_kind"),
    )
    op.create_index("ix_glass_slide_case_id", "glass_slide", ["case_id"])
    op.create_index("ix_glass_slide_tissue_block_id", "glass_slide", ["tissue_block_id"])
    op.create_index("ix_glass_slide_care_provider_id", "glass_slide", ["care_provider_id"])
    op.create_index("ix_glass_slide_barcode", "glass_slide", ["barcode"])
    op.create_index(
        "uq_glass_slide_specimen_id_tissue_block_id_number",
        "glass_slide",
        ["specimen_id", "tissue_block_id", "number"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=RIGHT,
    )
    op.add_column("slide_image", sa.Column("glass_slide_id", sa.Uuid))
    op.create_index("ix_slide_image_glass_slide_id", "slide_image", ["glass_slide_id"])
    op.create_foreign_key(
        "fk_slide_image_glass_slide_id_case_id",
        "slide_image",
        "glass_slide",
        ["glass_slide_id", "case_id"],
        ["id", "case_id"],
    )
    op.create_check_constraint("glass_has_a_case", "slide_image", "glass_slide_id IS NULL OR case_id IS NOT NULL")


def _laboratories() -> None:
    op.create_table(
        "laboratory",
        *_kept(),
        _refer("care_provider_id", "care_provider"),
        sa.Column("department_id", sa.Uuid, sa.ForeignKey("department.id"), nullable=False, unique=True),
        sa.Column("lid_pattern", sa.String),
        sa.Column("list_columns", JSONB),
    )
    op.create_index("ix_laboratory_care_provider_id", "laboratory", ["care_provider_id"])


def _protect_records() -> None:
    for table in ("referral", "specimen", "tissue_block", "glass_slide", "related_case"):
        # A work order puts glass to wait for into another's case.
        platform = "SELECT, INSERT, UPDATE" if table == "glass_slide" else "SELECT"
        worker = "SELECT" if table in ("specimen", "tissue_block", "glass_slide") else ""
        protect(table, visible=f"{OWN} OR {granted(f'{table}.case_id')}", platform=platform, worker=worker)
        op.execute(f"CREATE POLICY own_changes ON {table} AS RESTRICTIVE FOR UPDATE TO samsyn_app USING ({OWN})")
    protect("laboratory")
    # What reading a case elsewhere changes in it.
    moved = ("signout_department_id", "status", "intended_use_mode_at_signing", "last_registered_at", *STAMPS)
    op.execute(f"GRANT UPDATE ({', '.join(moved)}, version, updated_at) ON pathology_case TO samsyn_platform")


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
