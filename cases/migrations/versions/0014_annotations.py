"""Annotations with every version of theirs, and attachments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from cases.migrations.protection import OWN, PARTY, protect

revision = "0014"
down_revision = "0013"

MOMENT = sa.DateTime(timezone=True)
KINDS = ("POINT", "LINE", "RECT", "ELLIPSE", "POLYGON", "FREEHAND", "BOOKMARK")
VISIBILITIES = ("PRIVATE", "UNIT", "REQUEST", "CASE", "MDT")


def upgrade() -> None:
    _annotations()
    _attachments()


def _kept(*, versioned: bool = True) -> list[sa.Column]:  # type: ignore[type-arg]
    columns = [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("care_provider_id", sa.Uuid, sa.ForeignKey("care_provider.id"), nullable=False),
    ]
    if versioned:
        columns += [sa.Column("created_by", sa.Uuid), sa.Column("version", sa.Integer, nullable=False)]
    return columns


def _content() -> list[sa.Column]:  # type: ignore[type-arg]
    return [
        sa.Column("author_assignment_id", sa.Uuid, sa.ForeignKey("assignment.id"), nullable=False),
        sa.Column("author_unit_id", sa.Uuid, sa.ForeignKey("care_unit.id"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("geometry", JSONB, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("comment", sa.String),
        sa.Column("classification", sa.String),
        sa.Column("visibility", sa.String(40), nullable=False),
        sa.Column("request_id", sa.Uuid),
        sa.Column("deleted_at", MOMENT),
    ]


def _annotations() -> None:
    op.create_table(
        "annotation",
        *_kept(),
        sa.Column("slide_image_id", sa.Uuid, sa.ForeignKey("slide_image.id"), nullable=False),
        *_content(),
        sa.Column("positions", sa.Integer, nullable=False),
        sa.Column("is_record_document", sa.Boolean, nullable=False),
        sa.CheckConstraint(f"kind IN {KINDS}", name="kind"),
        sa.CheckConstraint(f"visibility IN {VISIBILITIES}", name="visibility"),
        sa.CheckConstraint("visibility <> 'REQUEST' OR request_id IS NOT NULL", name="request_is_named"),
        sa.CheckConstraint("positions BETWEEN 1 AND 100000", name="positions_are_counted"),
        sa.CheckConstraint(
            "NOT is_record_document OR deleted_at IS NULL AND visibility NOT IN ('PRIVATE', 'UNIT')",
            name="what_is_cited_can_be_read",
        ),
    )
    op.create_index("ix_annotation_care_provider_id", "annotation", ["care_provider_id"])
    op.create_index("ix_annotation_slide_image_id_id", "annotation", ["slide_image_id", "id"])
    op.create_index("ix_annotation_request_id", "annotation", ["request_id"])
    op.create_table(
        "annotation_version",
        *_kept(versioned=False),
        sa.Column("annotation_id", sa.Uuid, sa.ForeignKey("annotation.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        *_content(),
        sa.UniqueConstraint("annotation_id", "number"),
    )
    op.create_index("ix_annotation_version_care_provider_id", "annotation_version", ["care_provider_id"])

    op.execute(
        """
        CREATE FUNCTION refuse_change_of_cited_annotation() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'A signed answer cites this annotation: % is refused.', TG_OP
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER cited BEFORE UPDATE OR DELETE ON annotation FOR EACH ROW"
        " WHEN (OLD.is_record_document) EXECUTE FUNCTION refuse_change_of_cited_annotation()"
    )
    op.execute(
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON annotation_version"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # Between care providers: what is private or for one unit is never seen from another, whatever the code asks.
    for table, of in (
        ("annotation", "SELECT FROM slide_image WHERE slide_image.id = annotation.slide_image_id"),
        ("annotation_version", "SELECT FROM annotation WHERE annotation.id = annotation_version.annotation_id"),
    ):
        party = PARTY.format(request_id=f"{table}.request_id")
        shared = f"{table}.visibility IN ('CASE', 'MDT') OR {table}.visibility = 'REQUEST' AND {party}"
        protect(
            table,
            visible=f"{OWN} OR ({shared}) AND EXISTS ({of})",
            app="SELECT, INSERT, UPDATE" if table == "annotation" else "SELECT, INSERT",
            platform="SELECT, UPDATE (is_record_document, updated_at)" if table == "annotation" else "SELECT",
        )
    op.execute(f"CREATE POLICY own_changes ON annotation AS RESTRICTIVE FOR UPDATE TO samsyn_app USING ({OWN})")


def _attachments() -> None:
    kinds = ("REFERRAL_PDF", "MACRO_PHOTO", "LAB_REPORT", "PRIOR_REPORT", "MOLECULAR", "OTHER")
    op.create_table(
        "attachment",
        *_kept(),
        sa.Column("care_unit_id", sa.Uuid, sa.ForeignKey("care_unit.id"), nullable=False),
        sa.Column("case_id", sa.Uuid, sa.ForeignKey("pathology_case.id"), nullable=False),
        sa.Column("request_id", sa.Uuid),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("caption", sa.String, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("byte_size", sa.Integer, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("received_digest", sa.String, nullable=False),
        sa.Column("scan", sa.String(40), nullable=False),
        sa.Column("scanned_at", MOMENT),
        sa.Column("finding", sa.String),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("withdrawn_because", sa.String),
        sa.CheckConstraint(f"kind IN {kinds}", name="kind"),
        sa.CheckConstraint("scan IN ('NOT_SCANNED', 'PENDING', 'CLEAN', 'INFECTED')", name="scan"),
        sa.CheckConstraint("byte_size BETWEEN 1 AND 60000000", name="size_is_modest"),
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", name="withdrawal_has_a_reason"),
    )
    op.create_index("ix_attachment_care_provider_id", "attachment", ["care_provider_id"])
    op.create_index("ix_attachment_case_id", "attachment", ["case_id"])
    op.create_index(
        "ix_attachment_to_scan", "attachment", ["id"], postgresql_where=sa.text("scan IN ('NOT_SCANNED', 'PENDING')")
    )
    # What a performer added is for both parties; of the owner's, a performer sees what was handed out, and who looks
    # up in the coherent record what lies in the case.
    visible = (
        OWN,
        PARTY.format(request_id="attachment.request_id"),
        "EXISTS (SELECT FROM disclosed_item WHERE kind = 'ATTACHMENT' AND resource_id = attachment.id)",
        "EXISTS (SELECT FROM record_grant WHERE record_grant.case_id = attachment.case_id AND valid_until > now()"
        " AND basis = 'COHERENT_RECORD'"
        " AND to_provider_id = NULLIF(current_setting('samsyn.care_provider', true), '')::uuid)",
    )
    protect("attachment", visible=" OR ".join(visible), worker="SELECT, UPDATE")
    op.execute(f"CREATE POLICY own_changes ON attachment AS RESTRICTIVE FOR UPDATE TO samsyn_app USING ({OWN})")
