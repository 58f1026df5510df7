"""The .dzi document that tells a viewer how a pyramid is cut."""

from __future__ import annotations

from tiler.grid import Grid

MEDIA_TYPE = "application/xml"


def describe(grid: Grid) -> str:
    """The Deep Zoom descriptor of a grid: no overlap, JPEG. Source: Deep Zoom schema 2008."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
        f'Format="jpg" Overlap="0" TileSize="{grid.tile}">'
        f'<Size Width="{grid.size.width}" Height="{grid.size.height}"/></Image>\n'
    )
