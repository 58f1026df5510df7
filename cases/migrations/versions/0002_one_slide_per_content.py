"""One slide image per content, even when two people bring it in at the same moment."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("ix_slide_image_original_digest", "slide_image")
    op.create_unique_constraint("uq_slide_image_original_digest", "slide_image", ["original_digest"])
