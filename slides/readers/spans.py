"""Reading many pieces of a file in few steps."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

from slides.jpeg import Stream

_BETWEEN = 64
"""Bytes between two pieces, on average, up to which it is quicker to read on than to read anew."""


def read_spans(file: int, offsets: Sequence[int], counts: Sequence[int]) -> list[Stream]:
    """Read pieces of a file, all at once where they lie close together.

    Args:
        file: descriptor.
        offsets: where each piece begins, in bytes; not empty.
        counts: lengths in bytes.

    Returns:
        The pieces; one that lies beyond the end of the file comes short.
    """
    begin, end = min(offsets), max(map(operator.add, offsets, counts))
    if end - begin > sum(counts) + len(counts) * _BETWEEN:
        return [os.pread(file, count, at) for at, count in zip(offsets, counts, strict=True)]
    block = memoryview(os.pread(file, end - begin, begin))
    return [block[at - begin : at - begin + count] for at, count in zip(offsets, counts, strict=True)]
