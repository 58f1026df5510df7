"""For those who watch over the machine: alive, ready, measured."""

from __future__ import annotations

import os
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from kombu import Connection
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from cases.transaction import transaction

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def read_health() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Something it needs is missing."}})
def read_readiness(request: Request) -> JSONResponse:
    """The database, the broker and the storage answer too."""
    parts = {"database": _database(request), "broker": _broker(request), "storage": _storage(request)}
    ready = all(state == "ok" for state in parts.values())
    return JSONResponse(
        {"status": "ready" if ready else "not ready", **parts},
        status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@router.get("/metrics", response_class=Response)
def read_metrics() -> Response:
    """Prometheus text: tiles, seconds, viewings; counts and times only."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _database(request: Request) -> str:
    try:
        with transaction(request.app.state.sessions) as session:
            session.execute(text("SELECT 1"))
    except Exception:
        return "the database does not answer"
    return "ok"


def _broker(request: Request) -> str:
    try:
        patience = {"socket_timeout": 2, "socket_connect_timeout": 2}
        with Connection(request.app.state.settings.redis_url, transport_options=patience) as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
    except Exception:
        return "the broker does not answer"
    return "ok"


def _storage(request: Request) -> str:
    return "ok" if os.access(request.app.state.settings.data, os.R_OK | os.X_OK) else "the data folder cannot be read"
