"""Numbers that break programs, drawn by a lot whose seed brings the same ones back."""

from __future__ import annotations

import random

TELLING = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 4095, 4096),
    *(10_007, 32_767, 32_768, 65_500, 65_535, 65_536, 100_000, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31),
    *((1 << 32) - 16, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
"""The ends of every width of integer, and a little either side of what tiles and tables count in."""


class Lot(random.Random):
    """Draws everything that a mutation leaves to chance."""

    def number(self, was: int, *also: int) -> int:
        """A number in place of another: a telling one, one near by, a multiple, or one of `also`."""
        near = (was - 1, was + 1, was // 2, was * 2, was * 3 + 1, was * 64, -was, was ^ 1 << self.randrange(32))
        return abs(self.choice((self.choice(TELLING), self.choice(near), self.choice(also or TELLING))))

    def words(self, text: bytes) -> bytes:
        """A text with one of its numbers, or some of its letters, exchanged, cut off or repeated."""
        runs = _numbers(text)
        if runs and self.random() < 0.6:
            start, end = self.choice(runs)
            odd = (b"", b"-1", b"0", b"0.0", b"1e999", b"nan", b"inf", b"1e-300", b"99999999999999999999", b"x", b"1,5")
            return text[:start] + self.choice((*odd, str(self.choice(TELLING)).encode())) + text[end:]
        place = self.randrange(len(text) + 1)
        strange = (b"\0", b"<", b">", b'"', b"&", b"\xff\xfe", b"\xc3", b"|", b"=", b"\n", b"]]>", "å".encode())
        return self.choice(
            (
                text[:place],
                text[:place] + self.choice(strange) + text[place:],
                text[:place] + text[place + self.randrange(1, 40) :],
                text * self.choice((2, 50)),
                b"",
            )
        )


def _numbers(text: bytes) -> list[tuple[int, int]]:
    """Where a text's numbers stand: (first byte, byte after the last)."""
    runs, start = [], None
    for place, byte in enumerate(text + b"\0"):
        digit = byte in b"0123456789."
        if digit and start is None:
            start = place
        elif not digit and start is not None:
            runs.append((start, place))
            start = None
    return runs
