"""Reading many pieces of a file in few steps."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

from slides.errors import DamagedFile
from slides.jpeg import Stream

_ENDS = "The file ends before its tiles do: it was cut off while it was read. Copy it again."
_BETWEEN = 64
"""Bytes between two pieces, on average, up to which it is quicker to read on than to read anew."""


def read_spans(file: int, offsets: Sequence[int], counts: Sequence[int]) -> list[Stream]:
    """Read pieces of a file, all at once where they lie close together.

    Args:
        file: descriptor.
        offsets: where each piece begins, in bytes; not empty.
        counts: lengths in bytes.

    Returns:
        The pieces.

    Raises:
        DamagedFile: the file ends before a piece does.
    """
    begin, end = min(offsets), max(map(operator.add, offsets, counts))
    if end - begin > sum(counts) + len(counts) * _BETWEEN:
        pieces = [os.pread(file, count, at) for at, count in zip(offsets, counts, strict=True)]
        if list(map(len, pieces)) != list(counts):
            raise DamagedFile(_ENDS)
        return [*pieces]
    block = memoryview(os.pread(file, end - begin, begin))
    if len(block) != end - begin:
        raise DamagedFile(_ENDS)
    return [block[at - begin : at - begin + count] for at, count in zip(offsets, counts, strict=True)]
