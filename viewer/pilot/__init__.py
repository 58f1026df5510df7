"""The pilot's care providers, people, agreements, patients and cases, for trying the product. Nobody in it exists."""

from viewer.pilot.cast import KALMAR, LABORATORIES, LINKOPING, SLIDES
from viewer.pilot.seeding import seed_pilot

__all__ = ["KALMAR", "LABORATORIES", "LINKOPING", "SLIDES", "seed_pilot"]
