"""Settings of the web."""

from __future__ import annotations

from pydantic import Field

from worker.settings import WorkerSettings


class ViewerSettings(WorkerSettings):
    """Read from the environment, prefix `SAMSYN_`."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    https: bool = Field(
        default=False, description="Whether people reach this through HTTPS: cookies are then marked Secure."
    )
    demo: bool = Field(
        default=False, description="Offer demo people on the sign-in page, without proof. Never with real patients."
    )
