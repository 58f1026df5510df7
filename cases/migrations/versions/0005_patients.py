"""Patients with their numbers, blocks and their lifts, consents, relations, information notices.

Everything here is one care provider's own. A lift is also for the provider whose block it lifts.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from cases.migrations.protection import OWN, protect

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def kept() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
    ]


def moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, nullable=nullable)


def one_of(column: str, values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def upgrade() -> None:
    _patients()
    _consents()
    _blocks()
    _relations()
    own = ("patient", "patient_identifier", "access_block", "consent_assertion", "patient_relation")
    for table in (*own, "patient_information_notice"):
        protect(table)
    both = f"({OWN} OR {OWN.replace('care_provider_id', 'information_provider_id', 1)})"
    protect("temporary_revoke", visible=both, writable=both)
    op.execute("GRANT SELECT ON block_sync_state TO samsyn_app, samsyn_platform")
    op.execute("GRANT SELECT, INSERT, UPDATE ON block_sync_state TO samsyn_worker")


def _patients() -> None:
    op.create_table(
        "patient",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("same_as_id", sa.Uuid, nullable=False),
        sa.Column("given_name_enc", sa.LargeBinary, nullable=False),
        sa.Column("family_name_enc", sa.LargeBinary, nullable=False),
        sa.Column("birth_date", sa.Date),
        sa.Column("sex", sa.String(40)),
        moment("deceased_at"),
        sa.Column("protection", sa.String(40), nullable=False),
        moment("protection_checked_at"),
        moment("objection_at"),
        moment("mismatch_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "care_provider_id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["same_as_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        one_of("sex", "FEMALE MALE"),
        one_of("protection", "NONE SEKRETESSMARKERING SKYDDAD_FOLKBOKFORING"),
    )
    op.create_index("ix_patient_care_provider_id", "patient", ["care_provider_id"])
    op.create_index("ix_patient_same_as_id", "patient", ["same_as_id"])
    op.create_table(
        "patient_identifier",
        *kept(),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("root_oid", sa.String, nullable=False),
        sa.Column("extension_enc", sa.LargeBinary, nullable=False),
        sa.Column("extension_hmac", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("linked_by", sa.Uuid),
        moment("linked_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        one_of("type", "PNR SNR NRID LRID"),
        one_of("status", "CURRENT LINKED REPLACED ERROR"),
        sa.CheckConstraint("(linked_by IS NULL) = (linked_at IS NULL)", name="link_is_whole"),
        sa.CheckConstraint("octet_length(extension_hmac) = 32", name="index_is_sha256"),
    )
    op.create_index("ix_patient_identifier_patient_id", "patient_identifier", ["patient_id"])
    op.create_index("ix_patient_identifier_extension_hmac", "patient_identifier", ["extension_hmac"])
    op.create_index(
        "uq_patient_identifier_number",
        "patient_identifier",
        ["care_provider_id", "root_oid", "extension_hmac"],
        unique=True,
        postgresql_where="status <> 'ERROR'",
    )


def _consents() -> None:
    op.create_table(
        "consent_assertion",
        *kept(),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("care_unit_id", sa.Uuid, nullable=False),
        sa.Column("assignment_id", sa.Uuid),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(40), nullable=False),
        sa.Column("how", sa.String(40)),
        sa.Column("by_representative", sa.Boolean, nullable=False),
        sa.Column("reason_text", sa.String),
        moment("start_at", nullable=False),
        moment("end_at"),
        moment("ended_at"),
        sa.Column("ended_by", sa.Uuid),
        moment("deleted_at"),
        sa.Column("deleted_by", sa.Uuid),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"]),
        sa.ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"]),
        one_of("type", "CONSENT EMERGENCY"),
        one_of("scope", "SVOD DISCLOSURE BLOCK_LIFT"),
        one_of("how", "ORAL WRITTEN DIGITAL_1177"),
        sa.CheckConstraint("end_at > start_at", name="dates_in_order"),
        sa.CheckConstraint("(type = 'CONSENT') = (how IS NOT NULL)", name="consent_says_how"),
        sa.CheckConstraint(
            "type <> 'EMERGENCY' OR (reason_text IS NOT NULL AND end_at IS NOT NULL AND assignment_id IS NOT NULL)",
            name="emergency_is_reasoned_and_ends",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="end_is_whole"),
        sa.CheckConstraint("(deleted_at IS NULL) = (deleted_by IS NULL)", name="deletion_is_whole"),
    )
    op.create_index("ix_consent_assertion_patient_id", "consent_assertion", ["patient_id"])
    op.create_index("ix_consent_assertion_care_provider_id", "consent_assertion", ["care_provider_id"])


def _blocks() -> None:
    op.create_table(
        "access_block",
        *kept(),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("information_care_unit_id", sa.Uuid),
        moment("information_start"),
        moment("information_end"),
        sa.Column("requester", sa.String(40), nullable=False),
        moment("requested_at", nullable=False),
        moment("registered_at", nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        moment("ended_at"),
        sa.Column("ended_by", sa.Uuid),
        sa.Column("ended_reason", sa.String),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        sa.ForeignKeyConstraint(
            ["information_care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]
        ),
        one_of("type", "INNER OUTER"),
        one_of("requester", "PATIENT REPRESENTATIVE"),
        one_of("source", "LOCAL NATIONAL"),
        one_of("status", "ACTIVE REVOKED DELETED"),
        sa.CheckConstraint("(type = 'INNER') = (information_care_unit_id IS NOT NULL)", name="only_inner_has_a_unit"),
        sa.CheckConstraint("information_start <= information_end", name="dates_in_order"),
        sa.CheckConstraint("(status = 'ACTIVE') = (ended_at IS NULL)", name="end_is_dated"),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="end_is_reasoned"),
    )
    op.create_index("ix_access_block_patient_id", "access_block", ["patient_id"])
    op.create_index("ix_access_block_care_provider_id", "access_block", ["care_provider_id"])
    # What has ended stays ended, whoever asks: a new block is made instead.
    op.execute(
        """
        CREATE FUNCTION keep_ended_block() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'an access block that has ended is never changed' USING ERRCODE = 'check_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER keep_ended BEFORE UPDATE ON access_block FOR EACH ROW WHEN (OLD.status <> 'ACTIVE')"
        " EXECUTE FUNCTION keep_ended_block()"
    )
    op.create_table(
        "temporary_revoke",
        *kept(),
        sa.Column("block_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("information_provider_id", sa.Uuid, nullable=False),
        sa.Column("for_unit_id", sa.Uuid, nullable=False),
        sa.Column("for_assignment_id", sa.Uuid),
        sa.Column("assertion_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("reason_text", sa.String, nullable=False),
        moment("start_at", nullable=False),
        moment("end_at", nullable=False),
        moment("cancelled_at"),
        sa.Column("cancelled_by", sa.Uuid),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["block_id"], ["access_block.id"]),
        sa.ForeignKeyConstraint(["information_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["for_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        sa.ForeignKeyConstraint(["for_assignment_id"], ["assignment.id"]),
        sa.ForeignKeyConstraint(["assertion_id"], ["consent_assertion.id"]),
        one_of("reason", "CONSENT EMERGENCY"),
        sa.CheckConstraint("end_at > start_at AND end_at <= start_at + interval '7 days'", name="lasts_7_days_at_most"),
        sa.CheckConstraint("(cancelled_at IS NULL) = (cancelled_by IS NULL)", name="cancelling_is_whole"),
    )
    op.create_index("ix_temporary_revoke_block_id", "temporary_revoke", ["block_id"])
    op.create_index("ix_temporary_revoke_care_provider_id", "temporary_revoke", ["care_provider_id"])
    op.create_index("ix_temporary_revoke_information_provider_id", "temporary_revoke", ["information_provider_id"])
    op.create_table(
        "block_sync_state",
        *kept()[:3],
        sa.Column("source", sa.String, nullable=False),
        moment("last_success_at"),
        moment("latest_cancellation_seen"),
        sa.Column("status", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source"),
    )


def _relations() -> None:
    op.create_table(
        "patient_relation",
        *kept(),
        sa.Column("patient_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("care_unit_id", sa.Uuid),
        sa.Column("assignment_id", sa.Uuid),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("reason_text", sa.String),
        moment("start_at", nullable=False),
        moment("end_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        sa.ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"]),
        one_of("reason", "REFERRAL CONSULT MDT ADMISSION EMERGENCY OTHER"),
        sa.CheckConstraint("(care_unit_id IS NULL) <> (assignment_id IS NULL)", name="for_a_unit_or_one_person"),
        sa.CheckConstraint("end_at >= start_at", name="dates_in_order"),
        sa.CheckConstraint("reason <> 'OTHER' OR reason_text IS NOT NULL", name="other_is_explained"),
    )
    op.create_index("ix_patient_relation_patient_id", "patient_relation", ["patient_id"])
    op.create_index("ix_patient_relation_care_provider_id", "patient_relation", ["care_provider_id"])
    op.create_table(
        "patient_information_notice",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("patient_id", sa.Uuid),
        sa.Column("text_version", sa.String, nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        moment("given_at", nullable=False),
        moment("end_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        one_of("channel", "ORAL LETTER DIGITAL_1177 PUBLIC"),
        sa.CheckConstraint("end_at >= given_at", name="dates_in_order"),
    )
    op.create_index("ix_patient_information_notice_patient_id", "patient_information_notice", ["patient_id"])
    op.create_index(
        "ix_patient_information_notice_care_provider_id", "patient_information_notice", ["care_provider_id"]
    )
