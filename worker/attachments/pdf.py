"""PDF files as they are: what they say is what is attached. What stands after their end is left out.

Source: ISO 32000-2, 7.5.
"""

from __future__ import annotations

from slides.errors import DamagedFile

_END = b"%%EOF"


def clean(data: bytes) -> bytes:
    """The same document, from its header to its end.

    Raises:
        DamagedFile: it is cut off.
    """
    end = data.rfind(_END)
    if end < 0 or data.rfind(b"startxref", 0, end) < 0:
        raise DamagedFile("The PDF file ends before its document does. Save it again and attach that.")
    return data[: end + len(_END)] + b"\n"
