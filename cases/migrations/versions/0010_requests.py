"""Requests, what they are held for, disclosures, who reads."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    pass
