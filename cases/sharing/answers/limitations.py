"""What an answer could not rest on, found out rather than written: slides not looked at, lossy copies, no glass."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.database import platform
from cases.records.slide_images import SlideImage
from cases.sharing.answers.content import COMPUTED, AnswerContent, Findings, Limitation, LimitationCode, Platform
from cases.sharing.intended_use import IntendedUse
from cases.sharing.requests import ItemKind, ShareRequest
from cases.sharing.requests.disclosures import find_disclosed
from cases.sharing.viewings import Viewing

REENCODED = "REENCODED_LOSSY"
"""`SlideImage.pixel_path` of a slide whose full resolution was compressed anew."""


@dataclass(frozen=True, slots=True)
class Material:
    """What was handed out for a request, and what one reader has opened of it.

    Attributes:
        slides: slide images in the newest version of the disclosure, and glass whose image has not come.
        opened: those of them that the reader has opened here.
        lossy: those of them whose full resolution was compressed anew.
    """

    slides: frozenset[uuid.UUID]
    opened: frozenset[uuid.UUID]
    lossy: frozenset[uuid.UUID]

    def unread(self, content: AnswerContent) -> frozenset[uuid.UUID]:
        """Slides that the reader has neither opened nor read elsewhere."""
        elsewhere = frozenset(content.read_elsewhere) if content.platform in _ELSEWHERE else frozenset()
        return self.slides - self.opened - elsewhere


_ELSEWHERE = (Platform.GLASS, Platform.EXTERNAL_CE_VIEWER)


def find_material(session: Session, request: ShareRequest, *, reader_id: uuid.UUID) -> Material:
    """What a request's disclosure holds now, or held last, and what one assignment has opened of it."""
    items = find_disclosed(session, request)
    slide_ids = {item.resource_id for item in items if item.kind is ItemKind.SLIDE}
    glass_ids = {item.resource_id for item in items if item.kind is ItemKind.GLASS}
    with platform(session):
        images = session.scalars(
            select(SlideImage).where(or_(SlideImage.id.in_(slide_ids), SlideImage.glass_slide_id.in_(glass_ids)))
        ).all()
        shown = {image.id for image in images if image.id in slide_ids or image.viewable}
        opened = session.scalars(
            select(Viewing.slide_image_id)
            .where(Viewing.assignment_id == reader_id, Viewing.slide_image_id.in_(shown))
            .distinct()
        ).all()
    waited_for = glass_ids - {image.glass_slide_id for image in images if image.viewable}
    return Material(
        slides=frozenset(shown | waited_for),
        opened=frozenset(opened),
        lossy=frozenset(image.id for image in images if image.id in shown and image.pixel_path == REENCODED),
    )


def find_out(
    content: AnswerContent,
    material: Material,
    *,
    mode: IntendedUse,
    cited: Mapping[uuid.UUID, int] = MappingProxyType({}),
) -> Findings:
    """What is to be stated beside an answer: the slides seen, and every limitation.

    Args:
        content: that is to be signed.
        material: that it is about.
        mode: of this installation.
        cited: which version of each annotation it cites.
    """
    unread = material.unread(content)
    elsewhere = (frozenset(content.read_elsewhere) & material.slides) - material.opened - unread
    on_screen = material.opened | (elsewhere if content.platform is not Platform.GLASS else frozenset())
    found = [limitation for limitation in content.limitations if limitation.code not in COMPUTED]
    if unread:
        reasons = dict.fromkeys(one.reason for one in content.unexamined if one.slide_id in unread)
        found.append(Limitation(LimitationCode.NOT_ALL_SLIDES, "; ".join(reasons) or None, _sorted(unread)))
    if lossy := material.lossy & on_screen:
        found.append(Limitation(LimitationCode.LOSSY_COPY, slide_ids=_sorted(lossy)))
    if content.platform is not Platform.GLASS:
        found.append(Limitation(LimitationCode.ONLY_DIGITAL))
    return Findings(
        slides_seen=_sorted(material.opened),
        read_elsewhere=_sorted(elsewhere),
        limitations=tuple(found),
        intended_use=mode,
        annotations={str(one): number for one, number in cited.items()},
    )


def _sorted(ids: Collection[uuid.UUID]) -> tuple[uuid.UUID, ...]:
    return tuple(sorted(ids))
