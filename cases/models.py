"""Every table in one place, for the migrations and the test that compares them with the models."""

from cases.access import people, sessions
from cases.database import Base
from cases.records import slide_images, viewings

METADATA = Base.metadata
MODULES = (people, sessions, slide_images, viewings)
