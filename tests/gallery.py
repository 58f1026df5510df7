"""A product with two web processes and slides in every state, as the tests of the web find it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from product import Product, Web


@dataclass(frozen=True)
class Gallery:
    """Two web processes over the same slides, and no worker that would change them.

    Attributes:
        available: with its pyramid.
        verified: the same content without one: its tiles come from the original.
        quarantined: cut off on its way.
        received: nobody has looked at it yet.
    """

    product: Product
    web: Web
    second: Web
    available: uuid.UUID
    verified: uuid.UUID
    quarantined: uuid.UUID
    received: uuid.UUID
