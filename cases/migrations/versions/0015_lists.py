"""What lists and searches need, and what clinicians see of their referrals."""

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    pass
