"""Where answers are sent, and what waits to be sent."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    pass
