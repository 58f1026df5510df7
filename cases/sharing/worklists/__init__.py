"""What somebody finds in their lists: just what the gate lets them see, never more.

slides.py     slides of the own unit
lists.py      which lists of cases and requests there are, and what stands in each
places.py     in which order, and where a page ended
pages.py      pages of them, and how much stands in each
lines.py      what a line says of a case and its patient, as the gate decides; standing.py  of a request
searching.py  by number
indexes.py    what the database needs to find all this
"""

from cases.sharing.worklists.following import Followed, follow_cases, follow_requests
from cases.sharing.worklists.lists import CaseList, RequestList, may_have
from cases.sharing.worklists.pages import (
    CaseRow,
    Page,
    RequestRow,
    Wanted,
    count_lists,
    list_cases,
    list_requests,
)
from cases.sharing.worklists.places import Place
from cases.sharing.worklists.searching import LONGEST_TERM, Search, search_number, search_patient
from cases.sharing.worklists.slides import Listed, find_slide, list_slides, list_these

__all__ = [
    "LONGEST_TERM",
    "CaseList",
    "CaseRow",
    "Followed",
    "Listed",
    "Page",
    "Place",
    "RequestList",
    "RequestRow",
    "Search",
    "Wanted",
    "count_lists",
    "find_slide",
    "follow_cases",
    "follow_requests",
    "list_cases",
    "list_requests",
    "list_slides",
    "list_these",
    "may_have",
    "search_number",
    "search_patient",
]
