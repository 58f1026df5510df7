"""People, sign-in sessions, slide images with their pyramids, viewings.

The web and the worker get what they need in each table and nothing more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)

    def kept() -> list[sa.Column]:  # type: ignore[type-arg]
        return [
            sa.Column("id", sa.Uuid, nullable=False),
            sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
            sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        ]

    op.create_table(
        "person",
        *kept(),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("demo", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.create_table(
        "sign_in_session",
        *kept(),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_session"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_sign_in_session_person_id"),
        sa.UniqueConstraint("token_digest", name="uq_sign_in_session_token_digest"),
    )
    status = ("RECEIVED", "VERIFYING", "VERIFIED", "AVAILABLE", "QUARANTINED")
    pyramid = ("NONE", "BUILDING", "READY", "FAILED")
    op.create_table(
        "slide_image",
        *kept(),
        sa.Column("number", sa.Integer, sa.Identity(always=True), nullable=False),
        sa.Column("caption", sa.String),
        sa.Column("original_digest", sa.String, nullable=False),
        sa.Column("byte_size", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("pyramid", sa.String(20), nullable=False),
        sa.Column("progress", sa.Float),
        sa.Column("reason_code", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("format", sa.String),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("tile_size", sa.Integer),
        sa.Column("spacing_x", sa.Float),
        sa.Column("spacing_y", sa.Float),
        sa.Column("objective", sa.Float),
        sa.Column("scanner", sa.String),
        sa.Column("scanned_at", sa.String),
        sa.Column("colour_profile", sa.String),
        sa.Column("pixel_path", sa.String),
        sa.Column("psnr", sa.Float),
        sa.Column("has_thumbnail", sa.Boolean, nullable=False),
        sa.Column("has_macro", sa.Boolean, nullable=False),
        sa.Column("lease_holder", sa.Uuid),
        sa.Column("leased_until", moment),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_slide_image"),
        sa.UniqueConstraint("number", name="uq_slide_image_number"),
        sa.CheckConstraint(f"status IN {status}", name="slide_status"),
        sa.CheckConstraint(f"pyramid IN {pyramid}", name="pyramid_state"),
        sa.CheckConstraint("progress BETWEEN 0 AND 1", name="progress_is_a_share"),
        sa.CheckConstraint("(lease_holder IS NULL) = (leased_until IS NULL)", name="lease_is_whole"),
        sa.CheckConstraint("status <> 'QUARANTINED' OR reason IS NOT NULL", name="quarantine_has_a_reason"),
        sa.CheckConstraint("status <> 'AVAILABLE' OR pyramid = 'READY'", name="available_has_a_pyramid"),
    )
    op.create_index("ix_slide_image_original_digest", "slide_image", ["original_digest"])
    op.create_table(
        "tile_pyramid",
        *kept(),
        sa.Column("slide_image_id", sa.Uuid, nullable=False),
        sa.Column("tile_size", sa.Integer, nullable=False),
        sa.Column("levels", sa.Integer, nullable=False),
        sa.Column("level0_digest", sa.String, nullable=False),
        sa.Column("byte_size", sa.BigInteger, nullable=False),
        sa.Column("built_by", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tile_pyramid"),
        sa.ForeignKeyConstraint(["slide_image_id"], ["slide_image.id"], name="fk_tile_pyramid_slide_image_id"),
        sa.UniqueConstraint("slide_image_id", name="uq_tile_pyramid_slide_image_id"),
    )
    op.create_table(
        "viewing",
        *kept(),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("slide_image_id", sa.Uuid, nullable=False),
        sa.Column("basis", sa.String, nullable=False),
        sa.Column("closed_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_viewing"),
        sa.ForeignKeyConstraint(["session_id"], ["sign_in_session.id"], name="fk_viewing_session_id"),
        sa.ForeignKeyConstraint(["slide_image_id"], ["slide_image.id"], name="fk_viewing_slide_image_id"),
    )
    op.create_index("ix_viewing_session_id", "viewing", ["session_id"])
    op.create_index("ix_viewing_slide_image_id", "viewing", ["slide_image_id"])

    # Lists show changes as they happen: every change of a slide rings with its id, and nothing but its id.
    op.execute(
        """
        CREATE FUNCTION ring_slide_image() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('slide_image', NEW.id::text);
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER ring AFTER INSERT OR UPDATE ON slide_image FOR EACH ROW EXECUTE FUNCTION ring_slide_image()"
    )

    op.execute("GRANT SELECT ON alembic_version TO samsyn_app, samsyn_worker")
    op.execute("GRANT SELECT, INSERT ON person TO samsyn_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON sign_in_session, viewing TO samsyn_app")
    op.execute("GRANT SELECT ON slide_image, tile_pyramid TO samsyn_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON slide_image TO samsyn_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON tile_pyramid TO samsyn_worker")
