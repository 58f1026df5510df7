"""Tiles that go through the decoder in one go come out as they do one by one, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from images import codings
from images.pictures import picture
from images.tiffs import tiled

from slides.jpeg import Chain, Colour, Frame, decode

COLOURS = {2: Colour.RGB, 6: Colour.YCBCR, 1: Colour.GREY}
SIDE = 128


def prepared(coding: codings.Coding, *, shared: bool = True) -> tuple[list[bytes], Frame, Chain | None]:
    """Twelve whole tiles of a picture, what goes around them, and their chain."""
    page, _ = tiled(picture(512, 384), coding, tile=(SIDE, SIDE), shared=shared)
    value = page.tags.get(347)
    tables = bytes(value[1]) if value else None
    streams = list(page.segments)
    frame = Frame.around(streams[0], tables=tables, colour=COLOURS[coding.photometric])
    return streams, frame, Chain.of(streams[0], frame=frame, tables=tables, side=SIDE)


def room(tiles: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.empty(tiles * SIDE * SIDE, np.uint8)


@pytest.mark.parametrize("shared", [True, False], ids=["shared tables", "own tables"])
@pytest.mark.parametrize("coding", codings.JPEG_CODINGS, ids=lambda coding: coding.name)
def test_a_chain_gives_the_pixels_of_its_tiles(coding: codings.Coding, shared: bool) -> None:
    streams, frame, chain = prepared(coding, shared=shared)
    if coding is codings.YCBCR_440:
        assert chain is None, "its chroma is enlarged across the border between two tiles"
        return
    assert chain is not None
    together = chain.decode(streams, room(len(streams)))
    assert together is not None
    for stream, pixels in zip(streams, together, strict=True):
        assert np.array_equal(pixels, decode(frame.complete(stream), size=(SIDE // 2, SIDE // 2)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stream: stream[: len(stream) // 2],
        lambda stream: stream[: len(stream) // 2] + b"\xff\xd9",
        lambda stream: stream[:-2] + stream[-200:],
        lambda stream: codings.nameless(codings.jpeg_ycbcr(picture(64, 64))),
        lambda stream: b"",
    ],
    ids=["cut", "cut and ended", "too long", "other size", "empty"],
)
@pytest.mark.parametrize("index", [0, 5, 11])
def test_a_chain_with_a_broken_link_is_refused(index: int, spoil: object) -> None:
    streams, _, chain = prepared(codings.YCBCR_420)
    streams[index] = spoil(streams[index])  # type: ignore[operator]
    assert chain is not None
    assert chain.decode(streams, room(len(streams))) is None
