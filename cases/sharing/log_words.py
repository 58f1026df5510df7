"""What a patient's log extract calls the things of this field. `cases.access.log.words` has the others."""

from __future__ import annotations

from collections.abc import Mapping

from cases.access.log.words import Words

KINDS: Mapping[str, Words] = {
    "case": Words("Patologiärende", "Pathology case"),
    "annotation": Words("Markering i en mikroskopibild", "Annotation on a microscope image"),
    "attachment": Words("Bilaga till patologiärende", "Attachment of a pathology case"),
    "slide": Words("Mikroskopibild av vävnadsprov", "Microscope image of a tissue sample"),
}
