"""What people do all day, each as the web does it in one request: to be measured and explained."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crowd.filling import PLACES, PROVIDERS, Sizes, number_of
from product import Database
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.consents import ConsentScope  # noqa: F401
from cases.access.gate import Intent, decide
from cases.access.log_accounts import find_users
from cases.access.log_events import Event, Outcome
from cases.access.log_search import Question, Whose, search_log
from cases.access.patients import find_patient, show
from cases.access.same_patients import note_changed
from cases.access.sessions import digest_token, find_actor
from cases.access.vault import Vault
from cases.database import act_for, sessions
from cases.records.slide_images import SlideImage
from cases.sharing.resources import describe_slides
from cases.sharing.viewings import find_live, open_viewing, reconsider
from cases.sharing.worklists import list_slides
from cases.transaction import transaction
