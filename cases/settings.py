"""Where the rules find their database. Each package above adds its own settings to these."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from cases.sharing.intended_use import IntendedUse


class CaseSettings(BaseSettings):
    """Read from the environment: `SAMSYN_DATABASE_URL` and so on; made once, when a process starts."""

    model_config = SettingsConfigDict(env_prefix="SAMSYN_", frozen=True, extra="ignore")

    database_url: str = Field(
        description="PostgreSQL 15 or newer, as postgresql+psycopg://role@host/database; a role that neither owns "
        "the tables nor bypasses row security.",
    )
    intended_use_mode: IntendedUse = Field(
        default=IntendedUse.COMMUNICATION,
        description="What the viewer may be relied on for: `COMMUNICATION` (a primary diagnosis is made on glass or in "
        "a CE-marked workstation), `CE_MARKED_EXTERNAL` (every answer is) or `DEVICE` (the viewer is itself a medical "
        "device).",
    )
