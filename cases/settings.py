"""Where the rules find their database. Each package above adds its own settings to these."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CaseSettings(BaseSettings):
    """Read from the environment: `SAMSYN_DATABASE_URL` and so on; made once, when a process starts."""

    model_config = SettingsConfigDict(env_prefix="SAMSYN_", frozen=True, extra="ignore")

    database_url: str = Field(
        description="PostgreSQL 15 or newer, as postgresql+psycopg://role@host/database; a role that neither owns "
        "the tables nor bypasses row security.",
    )
