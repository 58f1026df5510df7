"""The web application, put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import structlog
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from cases.access.patients import check_keys
from cases.access.sessions import Ending, Method, SignInSession, end_sessions, lapse
from cases.access.vault import Vault
from cases.database import connect, require_safe_role, sessions
from cases.sharing.viewings import close_lapsed
from cases.transaction import transaction
from viewer import problems
from viewer.api import (
    absences,
    agreements,
    answer_follow_up,
    answer_signing,
    answers,
    attachments,
    blocks,
    case_lists,
    cases,
    checklists,
    competences,
    consents,
    destinations,
    events,
    health,
    image_files,
    log,
    messages,
    my_referrals,
    notifications,
    organisations,
    patients,
    people,
    relations,
    reports,
    request_moves,
    requests,
    roles,
    service_descriptions,
    session,
    slides,
    specimens,
    viewings,
    work_orders,
    worklists,
)
from viewer.api import annotations as drawn
from viewer.bodies import BodyLimit
from viewer.dependencies import cookie_name, require_same_origin
from viewer.description import DescribedAPI
from viewer.events import SlideEvents
from viewer.headers import SecurityHeaders
from viewer.live_viewings import REREAD, LiveViewings
from viewer.settings import ViewerSettings
from viewer.tiles import TileServer
from worker.sandbox import Sandbox
from worker.storage import Storage

STATIC = Path(__file__).with_name("static")
"""The built front end; the wheel carries it, `make setup` builds it."""

LAPSED = 20.0
"""Seconds between two looks for sessions that have locked or ended by themselves."""
ROUTERS = (
    health.router,
    session.router,
    organisations.router,
    people.router,
    competences.router,
    absences.router,
    roles.router,
    agreements.router,
    service_descriptions.router,
    checklists.router,
    patients.router,
    blocks.router,
    consents.router,
    relations.router,
    slides.router,
    viewings.router,
    drawn.router,
    drawn.slides_router,
    attachments.router,
    attachments.cases_router,
    answers.requests_router,
    answers.router,
    answer_signing.router,
    answer_follow_up.requests_router,
    answer_follow_up.router,
    answer_follow_up.rules_router,
    cases.router,
    requests.router,
    requests.cases_router,
    request_moves.router,
    case_lists.router,
    specimens.router,
    worklists.router,
    my_referrals.router,
    reports.router,
    image_files.router,
    destinations.router,
    log.router,
    events.router,
    messages.router,
    work_orders.router,
    notifications.router,
    cases.patients_router,
)
"""The API, noun by noun."""

logger = structlog.get_logger()


def create_app(settings: ViewerSettings) -> FastAPI:
    """The application for one process; it connects to nothing before it is started.

    Raises:
        UnsafeRole: (when started) the database role bypasses what protects the rows.
    """
    engine = connect(settings.database_url)
    storage, make = Storage(settings.data), sessions(engine)
    sandbox = Sandbox()
    # Connections of its own, so that rights end in time however busy the others are.
    rights = connect(settings.database_url, connections=2)
    live = LiveViewings(sessions(rights), storage, sandbox, cookie=cookie_name(settings))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(require_safe_role, engine)
        await run_in_threadpool(_settle, app)
        sandbox.warm()
        tasks = [
            asyncio.create_task(_reread(live)),
            asyncio.create_task(_lapse(make)),
            asyncio.create_task(app.state.events.listen()),
        ]
        yield
        app.state.stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sandbox.close()
        rights.dispose()
        engine.dispose()

    app = DescribedAPI(
        title="Samsyn",
        version=version("samsyn"),
        description="Whole-slide images shared between care providers.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(require_same_origin)],
    )
    app.state.settings, app.state.storage, app.state.sessions = settings, storage, make
    app.state.events = SlideEvents(settings.database_url)
    app.state.stopping = asyncio.Event()
    app.state.live_viewings, app.state.sandbox = live, sandbox
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    assets = Assets(directory=STATIC / "assets", check_dir=False)
    app.mount("/assets", GZipMiddleware(assets, minimum_size=1000), name="assets")
    app.add_api_route("/{page:path}", read_page, include_in_schema=False, response_class=HTMLResponse)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, https=settings.https)
    app.add_middleware(TileServer, viewings=live)
    return app


class Assets(StaticFiles):
    """What the pages are made of. Its names change with its content, so browsers may keep it for a year."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def read_page(page: str) -> Response:
    """Every other address is a page of the front end, which finds its own way."""
    if page.startswith("api/"):
        raise problems.NotFound("There is nothing at this address; /api/openapi.json lists what there is.")
    if not (STATIC / "index.html").is_file():
        raise problems.NotFound("The pages have not been built. Run `make setup`, or install the wheel.")
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


def _settle(app: FastAPI) -> None:
    """Take the keys, and where demo mode was on once, end what was begun without proof.

    Raises:
        VaultError: the keys are missing, exposed or not this database's.
    """
    app.state.sessions.configure(info={"vault": Vault(app.state.settings.key_folder)})
    with transaction(app.state.sessions) as database:
        check_keys(database)
        if not app.state.settings.demo:
            undone = SignInSession.method == Method.DEMO
            end_sessions(database, undone, because=Ending.DEMO_OFF, now=datetime.now(UTC))


async def _lapse(make: sessionmaker[Session]) -> None:
    """Write down which sessions have locked or ended by themselves; they have in any case."""
    while True:
        await asyncio.sleep(LAPSED)
        try:
            await run_in_threadpool(_lapse_once, make)
        except Exception:
            logger.warning("sessions that have lapsed are not written down just now", exc_info=True)


def _lapse_once(make: sessionmaker[Session]) -> None:
    with transaction(make) as database:
        lapse(database, now=datetime.now(UTC))
        close_lapsed(database, now=datetime.now(UTC))


async def _reread(live: LiveViewings) -> None:
    while True:
        try:
            await live.reread()
        except Exception:
            # Whatever it was: this loop is what ends rights, so it must not end itself.
            logger.warning("the database does not answer; tiles are dark until it does", exc_info=True)
            live.forget_all()
        await asyncio.sleep(REREAD)
