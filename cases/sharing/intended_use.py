"""What this installation is meant to be used for, which decides on what a diagnosis may rest.

Source: domain rules, 2.7; Regulation (EU) 2017/745, HSLF-FS 2022:42.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class IntendedUse(StrEnum):
    """COMMUNICATION: consulting; CE_MARKED_EXTERNAL: reading is done elsewhere; DEVICE: the viewer diagnoses."""

    COMMUNICATION = "COMMUNICATION"
    CE_MARKED_EXTERNAL = "CE_MARKED_EXTERNAL"
    DEVICE = "DEVICE"


BANNERS: Mapping[str, str] = {
    "sv": "Visningen är avsedd för kommunikation och konsultation, inte som ensam grund för primärdiagnostik. "
    "Bedömande patolog ansvarar för att underlaget är tillräckligt och kan begära glas eller öppna fallet i "
    "CE-märkt granskningsstation.",
    "en": "This view is meant for communication and consultation, not as the only basis of a primary diagnosis. "
    "The pathologist who reads answers for the material being sufficient, and can ask for the glass or open the "
    "case in a CE-marked workstation.",
}
"""What stands in the viewer and on every answer, unless the viewer is a device itself."""
