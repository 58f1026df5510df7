"""Care providers, their units and departments, people with assignments, roles, competence.

Who works where is a directory that everybody signed in may read; roles, analyses, delegations and absences are
each provider's own.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from cases.migrations.protection import protect

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
ROLES = "PAT RES LAB COO HEAD CLN MDT LOG DPO AGR FIN ADM OPS PTN GOV"
PURPOSES = (
    "Vård och behandling",
    "Kvalitetssäkring",
    "Annan dokumentation enligt lag",
    "Statistik",
    "Administration",
    "Kvalitetsregister",
)
SUBSPECIALTIES = (
    "BREAST GI GYN URO DERM HEMATO NEURO LUNG HEADNECK ENDOCRINE SOFT_TISSUE LIVER KIDNEY CARDIO PEDIATRIC CYTOLOGY "
    "MOLECULAR AUTOPSY GENERAL"
)


def kept() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
    ]


def one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def upgrade() -> None:
    _organisations()
    _people()
    _roles()
    op.execute("GRANT SELECT, INSERT, UPDATE ON care_provider, care_unit, department, assignment TO samsyn_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON person, competence TO samsyn_app")
    directory = "care_provider, care_unit, department, person, assignment"
    op.execute(f"GRANT SELECT ON {directory}, competence TO samsyn_platform")
    op.execute("GRANT SELECT ON care_provider, care_unit, department TO samsyn_worker")
    for table in ("absence", "risk_analysis", "role_grant", "delegation"):
        protect(table)


def _organisations() -> None:
    op.create_table(
        "care_provider",
        *kept(),
        sa.Column("hsa_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("org_number", sa.String, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("region_code", sa.String(40), nullable=False),
        sa.Column("extract_includes_name", sa.Boolean, nullable=False),
        sa.Column("default_language", sa.String, nullable=False),
        sa.Column("time_zone", sa.String, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("dpo_contact", sa.String),
        sa.Column("incident_contact", sa.String),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hsa_id"),
        sa.CheckConstraint("hsa_id = upper(hsa_id)", name="hsa_id_in_capitals"),
        sa.CheckConstraint("org_number ~ '^[0-9]{10}$'", name="org_number_has_ten_digits"),
        one_of("kind", ("REGION", "PRIVATE")),
        one_of("region_code", ("RJL", "RKL", "RO", "OTHER")),
        one_of("status", ("ONBOARDING", "ACTIVE", "SUSPENDED", "LEFT")),
    )
    op.create_table(
        "care_unit",
        *kept(),
        sa.Column("hsa_id", sa.String, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("is_pdl_unit", sa.Boolean, nullable=False),
        sa.Column("pdl_unit_id", sa.Uuid, nullable=False),
        sa.Column("archived_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hsa_id"),
        sa.UniqueConstraint("id", "care_provider_id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["pdl_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        sa.CheckConstraint("hsa_id = upper(hsa_id)", name="hsa_id_in_capitals"),
        sa.CheckConstraint("is_pdl_unit = (pdl_unit_id = id)", name="pdl_unit_is_its_own"),
    )
    op.create_index("ix_care_unit_care_provider_id", "care_unit", ["care_provider_id"])
    op.create_table(
        "department",
        *kept(),
        sa.Column("care_unit_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("phone_urgent", sa.String),
        sa.Column("archived_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "care_provider_id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
    )
    op.create_index("ix_department_care_unit_id", "department", ["care_unit_id"])
    op.create_index("ix_department_care_provider_id", "department", ["care_provider_id"])


def _people() -> None:
    for column in (
        sa.Column("created_by", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("given_name", sa.String, nullable=False, server_default=""),
        sa.Column("family_name", sa.String, nullable=False, server_default=""),
        sa.Column("license_number", sa.String),
        sa.Column("license_professions", ARRAY(sa.String), nullable=False, server_default="{}"),
        sa.Column("specialities", ARRAY(sa.String), nullable=False, server_default="{}"),
        sa.Column("protected", sa.Boolean, nullable=False, server_default="false"),
    ):
        op.add_column("person", column)
    # Who was there before has no assignment, so nobody can sign in as them any more.
    op.execute(
        r"UPDATE person SET demo = false, family_name = coalesce(substring(name from '(\S+)\s*$'), ''),"
        r" given_name = btrim(regexp_replace(name, '\S+\s*$', ''))"
    )
    for name in ("version", "given_name", "family_name", "license_professions", "specialities", "protected"):
        op.alter_column("person", name, server_default=None)
    op.drop_column("person", "name")
    op.create_unique_constraint("uq_person_license_number", "person", ["license_number"])
    op.create_table(
        "assignment",
        *kept(),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("employee_hsa_id", sa.String, nullable=False),
        sa.Column("commission_hsa_id", sa.String, nullable=False),
        sa.Column("commission_name", sa.String, nullable=False),
        sa.Column("commission_purpose", sa.String(40), nullable=False),
        sa.Column("commission_rights", ARRAY(sa.String), nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("care_unit_id", sa.Uuid, nullable=False),
        sa.Column("department_id", sa.Uuid),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("fte", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("commission_hsa_id"),
        sa.UniqueConstraint("id", "care_provider_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        sa.ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        sa.ForeignKeyConstraint(
            ["department_id", "care_provider_id"], ["department.id", "department.care_provider_id"]
        ),
        sa.CheckConstraint("valid_to > valid_from", name="ends_after_it_begins"),
        sa.CheckConstraint("fte > 0 AND fte <= 1", name="fte_is_a_share"),
        sa.CheckConstraint(
            "employee_hsa_id = upper(employee_hsa_id) AND commission_hsa_id = upper(commission_hsa_id)",
            name="hsa_ids_in_capitals",
        ),
        one_of("commission_purpose", PURPOSES),
        one_of("source", ("HSA", "LOCAL")),
    )
    for column_name in ("person_id", "employee_hsa_id", "care_provider_id", "care_unit_id"):
        op.create_index(f"ix_assignment_{column_name}", "assignment", [column_name])
    op.create_table(
        "absence",
        *kept(),
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("cancelled_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        _same_provider("assignment_id", "assignment"),
        sa.CheckConstraint("ends_at > starts_at", name="ends_after_it_begins"),
        one_of("kind", ("VACATION", "EDUCATION", "OTHER_DUTY", "OTHER")),
    )
    op.create_index("ix_absence_assignment_id", "absence", ["assignment_id"])
    op.create_index("ix_absence_care_provider_id", "absence", ["care_provider_id"])
    op.create_table(
        "competence",
        *kept(),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("subspecialty", sa.String(40), nullable=False),
        sa.Column("level", sa.String(40), nullable=False),
        sa.Column("digital_validated_at", MOMENT),
        sa.Column("digital_validation_cases", sa.Integer),
        sa.Column("digital_validation_concordance", sa.Float),
        sa.Column("valid_to", sa.Date),
        sa.Column("max_complexity_level", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "subspecialty"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.CheckConstraint("max_complexity_level BETWEEN 1 AND 6", name="complexity_is_a_level"),
        sa.CheckConstraint(
            "(digital_validated_at IS NULL) = (digital_validation_cases IS NULL)"
            " AND (digital_validated_at IS NULL) = (digital_validation_concordance IS NULL)",
            name="validation_has_a_record",
        ),
        sa.CheckConstraint("digital_validation_concordance BETWEEN 0 AND 100", name="concordance_is_a_percentage"),
        one_of("subspecialty", tuple(SUBSPECIALTIES.split())),
        one_of("level", ("TRAINEE", "GENERAL", "EXPERT")),
    )


def _roles() -> None:
    op.create_table(
        "risk_analysis",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("document_ref", sa.String, nullable=False),
        sa.Column("decided_by", sa.Uuid, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("review_due", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "care_provider_id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        _same_provider("decided_by", "assignment"),
        one_of("role", tuple(ROLES.split())),
    )
    op.create_index("ix_risk_analysis_care_provider_id_role", "risk_analysis", ["care_provider_id", "role"])
    op.create_table(
        "role_grant",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("department_id", sa.Uuid),
        sa.Column("granted_by", sa.Uuid),
        sa.Column("approved_by", sa.Uuid),
        sa.Column("approved_at", MOMENT),
        sa.Column("risk_analysis_id", sa.Uuid, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
        sa.Column("review_due", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        _same_provider("assignment_id", "assignment"),
        _same_provider("department_id", "department"),
        _same_provider("risk_analysis_id", "risk_analysis"),
        sa.CheckConstraint("valid_to >= valid_from", name="ends_after_it_begins"),
        sa.CheckConstraint("approved_by IS NULL OR approved_at IS NOT NULL", name="approval_has_a_time"),
        sa.CheckConstraint(
            "approved_by <> granted_by AND approved_by <> assignment_id AND granted_by <> assignment_id",
            name="two_people",
        ),
        one_of("role", tuple(ROLES.split())),
    )
    op.create_index("ix_role_grant_assignment_id", "role_grant", ["assignment_id"])
    op.create_index("ix_role_grant_care_provider_id", "role_grant", ["care_provider_id"])
    op.create_index(
        "uq_role_grant_assignment_id_role_department_id",
        "role_grant",
        ["assignment_id", "role", "department_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "delegation",
        *kept(),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("from_assignment_id", sa.Uuid, nullable=False),
        sa.Column("to_assignment_id", sa.Uuid, nullable=False),
        sa.Column("permission", sa.String(40), nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT, nullable=False),
        sa.Column("document_ref", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["care_provider_id"], ["care_provider.id"]),
        _same_provider("from_assignment_id", "assignment"),
        _same_provider("to_assignment_id", "assignment"),
        sa.CheckConstraint("valid_to >= valid_from", name="ends_after_it_begins"),
        sa.CheckConstraint("from_assignment_id <> to_assignment_id", name="two_people"),
    )
    op.create_index("ix_delegation_to_assignment_id", "delegation", ["to_assignment_id"])
    op.create_index("ix_delegation_care_provider_id", "delegation", ["care_provider_id"])


def _same_provider(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column, "care_provider_id"], [f"{table}.id", f"{table}.care_provider_id"])
