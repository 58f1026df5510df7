"""Settings of the workers, and of everything above that touches the same files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from cases.settings import CaseSettings
from cases.sharing.webhook_addresses import Opened, parse_networks


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
    clamd: str = Field(
        default="",
        pattern=r"^(\S+:\d{1,5})?$",
        description="ClamAV's clamd, as `host:port`: what is attached to cases is then shown once it is found clean. "
        "Its StreamMaxLength must be 50M or more.",
    )
    delivery_folder: Path | None = Field(
        default=None,
        description="Folder under which answers are laid down as files for laboratory systems, in one folder for each "
        "care provider by its HSA-id; without it nobody can choose files.",
    )
    delivery_networks: str | None = Field(
        default=None,
        description="Networks that webhooks may reach besides public addresses, with commas between: `10.20.0.0/16`. "
        "Without it none leads into this machine or its own networks.",
    )

    @field_validator("delivery_folder", "delivery_networks", mode="before")
    @classmethod
    def leave_out_nothing(cls, value: object) -> object:
        """A variable that is set to nothing is one that is not set, as docker-compose.yml writes it."""
        return value or None

    @field_validator("delivery_networks")
    @classmethod
    def read_networks(cls, text: str | None) -> str | None:
        """Networks are written as addresses with a prefix."""
        try:
            parse_networks(text or "")
        except ValueError as error:
            raise ValueError(f"SAMSYN_DELIVERY_NETWORKS lists networks like 10.20.0.0/16; {error}.") from None
        return text

    @property
    def opened(self) -> Opened:
        """What answers may be sent to besides public webhooks."""
        return Opened(folder=self.delivery_folder is not None, networks=parse_networks(self.delivery_networks or ""))

    @property
    def key_folder(self) -> Path:
        """Where the keys are."""
        return self.keys or self.data / "keys"

    @property
    def anchor_folder(self) -> Path:
        """Where the log's chains are anchored."""
        return self.anchors or self.data / "anchors"
