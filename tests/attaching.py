"""Attaching files to cases over HTTP."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from region import Region

from cases.records.pathology_case import PathologyCase


def attach(
    client: httpx2.Client,
    case: PathologyCase,
    content: bytes,
    *,
    caption: str | None = "Makrofoto höger bröst",
    key: str | None = None,
    **query: str,
) -> httpx2.Response:
    headers = {"idempotency-key": key or str(uuid.uuid4()), "content-type": "application/octet-stream"}
    if caption is not None:
        headers["samsyn-caption"] = quote(caption, safe="")
    return client.post(f"/api/cases/{case.id}/attachments", content=content, headers=headers, params=query)


def attached(client: httpx2.Client, case: PathologyCase, content: bytes, **more: str) -> dict[str, Any]:
    answer = attach(client, case, content, **more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def listed(client: httpx2.Client, case: PathologyCase) -> list[str]:
    answer = client.get(f"/api/cases/{case.id}/attachments")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["attachments"]]


def fetch(client: httpx2.Client, attachment_id: str) -> httpx2.Response:
    return client.get(f"/api/attachments/{attachment_id}/content")


def leftovers(region: Region) -> list[Path]:
    return list((region.product.data / "attachments").glob("incoming/*"))


def kept(region: Region) -> set[str]:
    return {path.name for path in (region.product.data / "attachments").glob("??/*")}
