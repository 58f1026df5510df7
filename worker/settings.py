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
    keys: Path | None = Field(
        default=None, description="Folder of the keys that identities are kept under; `keys` in the data folder."
    )
    anchors: Path | None = Field(
        default=None,
        description="Folder where the log's chains are anchored once a day, best on another machine's disk; `anchors` "
        "in the data folder.",
    )
    processes: int = Field(default=2, ge=1, description="Slides that one worker works on at the same time.")

    @property
    def key_folder(self) -> Path:
        """Where the keys are."""
        return self.keys or self.data / "keys"

    @property
    def anchor_folder(self) -> Path:
        """Where the log's chains are anchored."""
        return self.anchors or self.data / "anchors"
