"""The Idempotency-Key header: who did not hear the answer asks again with the same key, and nothing is done twice."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from cases.access.errors import Invalid
from cases.access.idempotency import IdempotencyKey, take_key
from viewer.dependencies import Database, Now, find_session
from viewer.problems import KeyMissing


@dataclass(frozen=True)
class Repeat:
    """Whether this was asked for before. True where it was: then only show how things stand.

    Attributes:
        resource_id: what was made the first time.
    """

    row: IdempotencyKey
    again: bool

    def __bool__(self) -> bool:
        return self.again

    @property
    def resource_id(self) -> uuid.UUID:
        """What was made the first time. Raises Invalid where nothing was."""
        if self.row.resource_id is None:
            raise Invalid("Nothing was made under this Idempotency-Key. Choose a new one.")
        return self.row.resource_id

    def remember(self, resource_id: uuid.UUID) -> None:
        """Say what was made, for whoever asks again."""
        self.row.resource_id = resource_id


async def get_fingerprint(request: Request) -> bytes:
    """SHA-256 of method, path and body."""
    return hashlib.sha256(
        b"\n".join([request.method.encode(), request.url.path.encode(), await request.body()])
    ).digest()


def get_repeat(
    request: Request,
    database: Database,
    now: Now,
    fingerprint: Annotated[bytes, Depends(get_fingerprint)],
    idempotency_key: Annotated[
        str | None,
        Header(max_length=100, description="Chosen by you, new for every new change; the same when you ask again."),
    ] = None,
) -> Repeat:
    """Whether this change was made before under its key. To be declared after the actor.

    Raises:
        KeyMissing: none was given.
        Invalid: something else was done under it.
    """
    if not idempotency_key:
        raise KeyMissing("Say which change this is, so that it is made only once: Idempotency-Key: <a new UUID>.")
    actor = find_session(request, database, now=now).require_actor()
    return Repeat(*take_key(database, idempotency_key, fingerprint, by=actor))


Again = Annotated[Repeat, Depends(get_repeat, scope="function")]
