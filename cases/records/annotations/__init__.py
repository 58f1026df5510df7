"""Annotations: what people draw on slides and write about it, in versions, each for a circle of readers.

The rules here know no requests and ask no gate: who looks comes as an `Onlooker` (cases.sharing.onlookers finds it).
"""

from cases.records.annotations.annotation import (
    Annotation,
    AnnotationKind,
    AnnotationVersion,
    Author,
    Content,
    Onlooker,
    Visibility,
    find_annotation,
    find_authors,
    list_annotations,
    list_versions,
    require_visible,
)
from cases.records.annotations.drawing import Drawing, change, delete, draw, freeze, restore

__all__ = [
    "Annotation",
    "AnnotationKind",
    "AnnotationVersion",
    "Author",
    "Content",
    "Drawing",
    "Onlooker",
    "Visibility",
    "change",
    "delete",
    "draw",
    "find_annotation",
    "find_authors",
    "freeze",
    "list_annotations",
    "list_versions",
    "require_visible",
    "restore",
]
