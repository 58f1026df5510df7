"""Settings of the web."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from worker.settings import WorkerSettings


class ViewerSettings(WorkerSettings):
    """Read from the environment, prefix `SAMSYN_`."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    https: bool = Field(
        default=False, description="Whether people reach this through HTTPS: cookies are then marked Secure."
    )
    env: Literal["development", "production"] = Field(
        default="development", description="Where this runs; `production` refuses to start in demo mode."
    )
    demo: bool = Field(
        default=False, description="Offer demo people on the sign-in page, without proof. Never with real patients."
    )

    @field_validator("demo")
    @classmethod
    def refuse_demo_in_production(cls, demo: bool, found: ValidationInfo) -> bool:
        """Nobody signs in without proof where real patients are."""
        if demo and found.data.get("env") == "production":
            raise ValueError("SAMSYN_DEMO is on and SAMSYN_ENV is production. Turn one of them off.")
        return demo
