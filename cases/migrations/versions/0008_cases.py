"""Cases, whose slides are, active choices, the gate's answers, and viewings that rest on one.

Slides that came in before care providers existed belong to nobody until they are brought in again. Viewings that
were opened without asking a gate end.
"""

import sqlalchemy as sa
from alembic import op

from cases.migrations.protection import OWN, granted, protect

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)

    def kept(*, versioned: bool = True) -> list[sa.Column]:  # type: ignore[type-arg]
        columns = [
            sa.Column("id", sa.Uuid, primary_key=True),
            sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
            sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        ]
        if versioned:
            columns += [sa.Column("created_by", sa.Uuid), sa.Column("version", sa.Integer, nullable=False)]
        return columns

    def refer(name: str, to: str, *, nullable: bool = False) -> sa.Column:  # type: ignore[type-arg]
        return sa.Column(name, sa.Uuid, sa.ForeignKey(f"{to}.id", name=None), nullable=nullable)

    status = ("REGISTERED", "IN_LAB", "READY", "IN_DIAGNOSIS", "PRELIMINARY", "FINAL", "AMENDED", "CANCELLED")
    op.create_table(
        "pathology_case",
        *kept(),
        refer("care_provider_id", "care_provider"),
        refer("care_unit_id", "care_unit"),
        refer("department_id", "department"),
        sa.Column("lid", sa.String, nullable=False),
        refer("patient_id", "patient"),
        sa.Column("accessioned_at", moment, nullable=False),
        sa.Column("last_registered_at", moment, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        refer("responsible_assignment_id", "assignment", nullable=True),
        sa.UniqueConstraint("care_unit_id", "lid"),
        sa.CheckConstraint(f"status IN {status}", name="case_status"),
        sa.CheckConstraint("last_registered_at >= accessioned_at", name="dates_in_order"),
        sa.CheckConstraint("accessioned_at BETWEEN '1900-01-01' AND '2200-01-01'", name="date_is_possible"),
    )
    op.create_index("ix_pathology_case_care_provider_id", "pathology_case", ["care_provider_id"])
    op.create_index("ix_pathology_case_patient_id", "pathology_case", ["patient_id"])
    op.create_index("ix_pathology_case_department_id_status", "pathology_case", ["department_id", "status"])
    op.create_table(
        "case_member",
        *kept(),
        refer("care_provider_id", "care_provider"),
        refer("case_id", "pathology_case"),
        refer("assignment_id", "assignment"),
        sa.Column("ended_at", moment),
    )
    op.create_index("ix_case_member_care_provider_id", "case_member", ["care_provider_id"])
    op.create_index("ix_case_member_assignment_id", "case_member", ["assignment_id"])
    op.create_index(
        "uq_case_member_case_id_assignment_id",
        "case_member",
        ["case_id", "assignment_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "record_grant",
        *kept(versioned=False),
        refer("case_id", "pathology_case"),
        refer("owner_provider_id", "care_provider"),
        refer("to_provider_id", "care_provider"),
        sa.Column("basis", sa.String, nullable=False),
        sa.Column("valid_until", moment, nullable=False),
        sa.UniqueConstraint("to_provider_id", "case_id", "basis"),
        sa.CheckConstraint("owner_provider_id <> to_provider_id", name="between_two"),
    )
    op.create_index("ix_record_grant_case_id", "record_grant", ["case_id"])
    op.create_table(
        "active_choice",
        *kept(),
        refer("care_provider_id", "care_provider"),
        refer("session_id", "sign_in_session"),
        refer("assignment_id", "assignment"),
        refer("patient_id", "patient"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.CheckConstraint("kind IN ('OTHER_UNIT', 'COHERENT_RECORD', 'EMERGENCY')", name="choice_kind"),
    )
    for column in ("care_provider_id", "session_id", "patient_id"):
        op.create_index(f"ix_active_choice_{column}", "active_choice", [column])
    op.create_table(
        "access_decision",
        *kept(versioned=False),
        sa.Column("care_provider_id", sa.Uuid, nullable=False),
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("resource_kind", sa.String, nullable=False),
        sa.Column("resource_id", sa.Uuid, nullable=False),
        sa.Column("owner_provider_id", sa.Uuid, nullable=False),
        sa.Column("intent", sa.String, nullable=False),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.Column("basis", sa.String),
        sa.Column("code", sa.String),
        sa.Column("obligations", sa.ARRAY(sa.String), nullable=False),
        sa.Column("inputs_digest", sa.LargeBinary, nullable=False),
        sa.Column("until", moment),
        sa.CheckConstraint("allowed = (basis IS NOT NULL) AND allowed = (code IS NULL)", name="basis_or_code"),
    )

    for column, to in (
        ("care_provider_id", "care_provider"),
        ("care_unit_id", "care_unit"),
        ("case_id", "pathology_case"),
    ):
        op.add_column("slide_image", refer(column, to, nullable=True))
    op.drop_constraint("uq_slide_image_original_digest", "slide_image")
    op.create_unique_constraint(
        "uq_slide_image_care_provider_id_original_digest",
        "slide_image",
        ["care_provider_id", "original_digest"],
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_slide_image_original_digest", "slide_image", ["original_digest"])
    op.create_index("ix_slide_image_care_unit_id_number", "slide_image", ["care_unit_id", "number"])
    op.create_index("ix_slide_image_case_id", "slide_image", ["case_id"])
    op.create_check_constraint("owner_is_whole", "slide_image", "(care_provider_id IS NULL) = (care_unit_id IS NULL)")
    op.create_check_constraint("case_has_an_owner", "slide_image", "case_id IS NULL OR care_unit_id IS NOT NULL")

    # Lists are rung for what they show, with whose list it is; not for a lease that was renewed.
    op.execute(
        """
        CREATE OR REPLACE FUNCTION ring_slide_image() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' OR (NEW.status, NEW.pyramid, NEW.progress, NEW.reason, NEW.case_id, NEW.care_unit_id,
                NEW.caption, NEW.has_thumbnail) IS DISTINCT FROM (OLD.status, OLD.pyramid, OLD.progress, OLD.reason,
                OLD.case_id, OLD.care_unit_id, OLD.caption, OLD.has_thumbnail) THEN
                PERFORM pg_notify('slide_image', NEW.id::text || ' ' || coalesce(NEW.care_unit_id::text, ''));
            END IF;
            RETURN NULL;
        END $$
        """
    )

    op.drop_table("viewing")
    op.create_table(
        "viewing",
        *kept(versioned=False),
        refer("care_provider_id", "care_provider"),
        refer("session_id", "sign_in_session"),
        refer("assignment_id", "assignment"),
        refer("slide_image_id", "slide_image"),
        sa.Column("basis", sa.String, nullable=False),
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("early", sa.Boolean, nullable=False),
        sa.Column("closed_at", moment),
        sa.Column("ended_code", sa.String),
    )
    op.create_index("ix_viewing_care_provider_id", "viewing", ["care_provider_id"])
    op.create_index("ix_viewing_session_id", "viewing", ["session_id"])
    op.create_index("ix_viewing_slide_image_id", "viewing", ["slide_image_id"])
    op.create_index("ix_viewing_open", "viewing", ["until"], postgresql_where=sa.text("closed_at IS NULL"))

    protect("pathology_case", visible=f"{OWN} OR {granted('pathology_case.id')}")
    protect("case_member", worker="SELECT")
    protect(
        "record_grant",
        visible="to_provider_id = NULLIF(current_setting('samsyn.care_provider', true), '')::uuid",
        writable="false",
        app="SELECT",
        platform="SELECT, INSERT, UPDATE",
    )
    protect("active_choice", app="SELECT, INSERT")
    protect("access_decision", app="SELECT, INSERT", platform="SELECT, INSERT")
    protect("viewing", platform="SELECT, INSERT, UPDATE")
    op.execute("REVOKE ALL ON slide_image, tile_pyramid FROM samsyn_app, samsyn_worker")
    protect(
        "slide_image",
        visible=f"{OWN} OR {granted('slide_image.case_id')}",
        app="SELECT, UPDATE",
        worker="SELECT, INSERT, UPDATE",
    )
    for table in ("pathology_case", "slide_image"):
        # Who was let into another's case sees it and changes nothing in it.
        op.execute(f"CREATE POLICY own_changes ON {table} AS RESTRICTIVE FOR UPDATE TO samsyn_app USING ({OWN})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON tile_pyramid TO samsyn_worker")
    op.execute("GRANT SELECT, UPDATE (last_registered_at, updated_at) ON pathology_case TO samsyn_worker")
    op.execute("CREATE POLICY worker ON pathology_case TO samsyn_worker USING (true)")
