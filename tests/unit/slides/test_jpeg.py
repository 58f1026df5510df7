"""Stored streams become files that every decoder shows alike, and broken ones are told from whole ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from images import codings
from images.codings import Coding, abbreviated, nameless, shown
from images.pictures import Pixels, box_mean, picture, psnr
from images.scanners import PROFILE
from images.tiffs import Page, write_tiff
from PIL import Image

from slides import jpeg
from slides.errors import DamagedFile
from slides.jpeg import Colour, Frame, browser_shows, decode, says_itself, split, subsampling

PICTURE = picture(256, 256)
COLOURS = {2: Colour.RGB, 6: Colour.YCBCR, 1: Colour.GREY}


def adobe(transform: int) -> bytes:
    """An Adobe marker. Source: Adobe TN 5116."""
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def in_openslide(stream: bytes, photometric: int, folder: Path) -> Pixels:
    """The stream as OpenSlide shows it as the one tile of a TIFF."""
    height, width = shown(stream).shape[:2]
    samples = 1 if photometric == 1 else 3
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8] * samples), 259: (3, [7]), 262: (3, [photometric])}
    more = {277: (3, [samples]), 322: (3, [width]), 323: (3, [height])}
    path = write_tiff(folder / "one.tif", [Page({**tags, **more}, [stream])])
    with openslide.OpenSlide(path) as slide:
        return np.array(slide.read_region((0, 0), 0, (width, height)).convert("RGB"))


@pytest.mark.parametrize("profile", [None, PROFILE], ids=["no profile", "profile"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared tables", "own tables"])
@pytest.mark.parametrize("coding", codings.JPEG_CODINGS, ids=lambda coding: coding.name)
def test_a_complete_stream_is_the_same_picture_everywhere(
    coding: Coding, shared: bool, profile: bytes | None, tmp_path: Path
) -> None:
    stream, expected = coding.encode(PICTURE, "<")
    stream, tables = abbreviated(stream) if shared else (stream, None)
    colour = COLOURS[coding.photometric]
    whole = Frame.around(stream, tables=tables, colour=colour, icc_profile=profile).complete(stream)
    assert np.array_equal(shown(whole), expected), "Pillow"
    assert np.array_equal(simplejpeg.decode_jpeg(whole, "RGB"), expected), "simplejpeg"
    assert np.array_equal(decode(whole), expected), "our own"
    true = 6 if coding is codings.JFIF_CALLED_RGB else coding.photometric
    assert np.array_equal(in_openslide(whole, true, tmp_path), expected), "OpenSlide"
    assert Image.open(io.BytesIO(whole)).info.get("icc_profile") == profile
    assert whole.endswith(stream[2:]), "the compressed pixels were touched"


@pytest.mark.parametrize(
    ("stream", "meant"),
    [
        (nameless(codings.jpeg_rgb(PICTURE)), None),
        (nameless(codings.jpeg_ycbcr(PICTURE)), None),
        (codings.jpeg_ycbcr(PICTURE), Colour.YCBCR),
        (codings.jpeg_rgb(PICTURE), Colour.RGB),
        (b"\xff\xd8" + adobe(1) + nameless(codings.jpeg_ycbcr(PICTURE))[2:], Colour.YCBCR),
        (b"\xff\xd8" + adobe(0) + nameless(codings.jpeg_rgb(PICTURE))[2:], Colour.RGB),
        # JFIF wins over Adobe, as in libjpeg.
        (codings.jpeg_ycbcr(PICTURE)[:20] + adobe(0) + codings.jpeg_ycbcr(PICTURE)[20:], Colour.YCBCR),
    ],
    ids=["nothing", "nothing, YCbCr", "JFIF", "Adobe RGB", "Adobe YCbCr", "Adobe 0 on RGB", "JFIF and Adobe"],
)
@pytest.mark.parametrize("container", [Colour.RGB, Colour.YCBCR])
def test_a_streams_own_word_wins_over_the_files(stream: bytes, meant: Colour | None, container: Colour) -> None:
    assert says_itself(stream) == meant
    assert says_itself(*abbreviated(stream)) == meant
    whole = Frame.around(stream, tables=None, colour=container).complete(stream)
    colour = meant or container
    # libjpeg told in so many words what the components are.
    components = imagecodecs.jpeg8_decode(stream, colorspace=colour.value, outcolorspace="RGB")
    assert np.array_equal(shown(whole), components)


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["444", "422", "420", "440", "411"]),
    st.integers(1, 100),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_taking_apart_and_putting_together_keeps_the_pixels(
    width: int, height: int, sampling: str, quality: int, seed: int
) -> None:
    whole = codings.jpeg_ycbcr(picture(width, height, seed=seed), quality, sampling)
    stream, tables = split(whole)
    again = Frame.around(stream, tables=tables, colour=Colour.YCBCR).complete(stream)
    assert np.array_equal(shown(again), shown(whole))
    assert b"JFIF" not in stream
    assert {marker for marker, _ in codings.segments_of(stream)} == {0xC0, 0xDA}


def test_equal_settings_give_equal_tables() -> None:
    tables = {split(jpeg.encode(picture(256, 256, seed=n), quality=85, subsampling="420"))[1] for n in range(3)}
    assert len(tables) == 1


@pytest.mark.parametrize(
    ("name", "ratio"), [("444", (1, 1)), ("422", (2, 1)), ("420", (2, 2)), ("440", (1, 2)), ("411", (4, 1))]
)
def test_subsampling_is_read_from_the_stream(name: str, ratio: tuple[int, int]) -> None:
    assert subsampling(codings.jpeg_ycbcr(PICTURE, subsampling=name)) == ratio
    white = jpeg.blank((240, 240), Colour.YCBCR, ratio)
    assert subsampling(white) == ratio, "libtiff refuses a tile that is sampled otherwise than its level"


@pytest.mark.parametrize("colour", list(Colour))
def test_a_blank_tile_is_white_and_leaves_the_levels_tables_alone(colour: Colour) -> None:
    white = jpeg.blank((240, 256), colour, (2, 2))
    assert np.array_equal(shown(white), np.full((256, 240, 3), 255))
    assert np.array_equal(decode(white), np.full((256, 240, 3), 255))
    places = {part[4] & 15 for marker, part in codings.segments_of(white) if marker in (0xDB, 0xC4)}
    assert places <= {2, 3}
    tables = abbreviated(codings.jpeg_ycbcr(PICTURE))[1]
    framed = Frame.around(white, tables=tables, colour=colour).complete(white)
    assert np.array_equal(shown(framed), np.full((256, 240, 3), 255))


def progressive(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


def renamed(marker: int) -> bytes:
    """A stream whose frame header claims another process. Source: T.81 table B.1."""
    stream = bytearray(codings.jpeg_ycbcr(PICTURE))
    stream[stream.index(b"\xff\xc0") + 1] = marker
    return bytes(stream)


@pytest.mark.parametrize(
    ("make", "colour", "shows"),
    [
        (lambda: codings.jpeg_ycbcr(PICTURE), Colour.YCBCR, True),
        (lambda: codings.jpeg_grey(PICTURE), Colour.GREY, True),
        (lambda: progressive(PICTURE), Colour.YCBCR, True),
        (lambda: renamed(0xC1), Colour.YCBCR, True),
        (lambda: codings.jpeg_ycbcr(PICTURE), Colour.GREY, False),
        (lambda: codings.jpeg_grey(PICTURE), Colour.RGB, False),
        (lambda: bytes(imagecodecs.jpeg8_encode(PICTURE.astype(np.uint16) * 16, bitspersample=12)), Colour.RGB, False),
        (lambda: bytes(imagecodecs.jpeg8_encode(PICTURE, lossless=True)), Colour.RGB, False),
        (lambda: renamed(0xC9), Colour.YCBCR, False),
        (lambda: renamed(0xCA), Colour.YCBCR, False),
        (lambda: renamed(0xC5), Colour.YCBCR, False),
        (lambda: bytes(imagecodecs.jpeg2k_encode(PICTURE)), Colour.RGB, False),
        (lambda: b"", Colour.RGB, False),
        (lambda: codings.jpeg_ycbcr(PICTURE)[:200], Colour.YCBCR, False),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_what_a_browser_shows(make: Callable[[], bytes], colour: Colour, shows: bool) -> None:
    assert browser_shows(make(), None, colour) is shows


WHOLE = codings.jpeg_ycbcr(PICTURE)
SCAN = WHOLE.index(b"\xff\xda") + 14


@pytest.mark.parametrize(
    "broken",
    [
        WHOLE[: len(WHOLE) // 2],
        WHOLE[: len(WHOLE) // 2] + b"\xff\xd9",
        WHOLE[: len(WHOLE) // 2] + b"\0" * (len(WHOLE) // 2),
        WHOLE[:SCAN] + b"\xff\xd9",
        WHOLE[:100],
        b"",
        b"\0" * 500,
        b"\xff\xd8",
    ],
    ids=["cut", "cut, then the end marker", "zeros to the end", "no pixels", "header cut", "nothing", "zeros", "SOI"],
)
def test_a_stream_that_ends_early_is_damaged(broken: bytes) -> None:
    with pytest.raises(DamagedFile, match=r"cannot be decoded to its end .*Export the slide again\.$"):
        decode(broken)
    with pytest.raises(DamagedFile):
        decode(broken, size=(128, 128), whole=(256, 256))


def test_a_stream_of_another_size_is_refused_before_it_is_decoded() -> None:
    at = WHOLE.index(b"\xff\xc0") + 5
    huge = WHOLE[:at] + b"\xea\x60\xea\x60" + WHOLE[at + 4 :]
    with pytest.raises(DamagedFile, match=r"256 x 256 px was expected; its JPEG stream has 60000 x 60000 px"):
        decode(huge, whole=(256, 256))


@pytest.mark.parametrize("extra", [WHOLE[:-2] + b"\0\0\0\xff\xd9", WHOLE + b"\0\0\0"], ids=["before EOI", "after"])
def test_harmless_bytes_are_passed_over(extra: bytes) -> None:
    assert np.array_equal(decode(extra), shown(WHOLE))


@given(st.binary(max_size=60), st.integers(0, len(WHOLE) - 1))
@settings(max_examples=150, deadline=None)
def test_no_stream_makes_more_than_our_own_error(noise: bytes, at: int) -> None:
    stream = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    browser_shows(stream, None, Colour.YCBCR)
    for ask in (lambda: decode(stream, whole=(256, 256)), lambda: says_itself(stream), lambda: split(stream)):
        try:
            ask()
        except DamagedFile as error:
            assert str(error)[0].isupper()
            assert str(error).endswith(".")


def test_decoding_at_half_scale_is_the_mean_of_two_by_two() -> None:
    half = decode(codings.jpeg_rgb(PICTURE, 95), size=(128, 128))
    assert half.shape == (128, 128, 3)
    # 41.6 dB is the worst tile measured on tissue (docs/performance.md); grain like this picture's is no worse.
    assert psnr(half, box_mean(shown(codings.jpeg_rgb(PICTURE, 95)))) > 41.6
