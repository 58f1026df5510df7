"""Answers: versions, signatures, what came of a discrepancy, oral reports."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    pass
