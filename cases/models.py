"""Every table in one place, for the migrations and the test that compares them with the models."""

from __future__ import annotations

import importlib
import pkgutil

import cases
from cases.database import Base

_APART = ("cases.migrations", "cases.models")

for _module in pkgutil.walk_packages(cases.__path__, "cases."):
    if not _module.name.startswith(_APART):
        importlib.import_module(_module.name)

METADATA = Base.metadata
