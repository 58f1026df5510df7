"""What a patient's log extract calls the things of this field. `cases.access.log_words` has the others."""

from __future__ import annotations

from collections.abc import Mapping

from cases.access.log_words import Words

KINDS: Mapping[str, Words] = {
    "case": Words("Patologiärende", "Pathology case"),
    "slide": Words("Mikroskopibild av vävnadsprov", "Microscope image of a tissue sample"),
}
