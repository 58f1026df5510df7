"""Settings of the workers, and of everything above that touches the same files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from cases.settings import CaseSettings


class WorkerSettings(CaseSettings):
    """Read from the environment, prefix `SAMSYN_`."""

    redis_url: str = Field(
        description="Redis 7 or Valkey for Celery: redis://host:6379/0, or redis+socket:///path?virtual_host=0."
    )
    data: Path = Field(default=Path("data"), description="Folder of originals, pyramids and previews.")
    processes: int = Field(default=2, ge=1, description="Slides that one worker works on at the same time.")
