"""Only the edge commits: a request, a task, a command. Everything else works within what it is given."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import viewer

ROOT = Path(viewer.__file__).parents[1]
PACKAGES = ("slides", "tiler", "cases", "worker", "viewer")

EDGES = {
    "cases/database.py",  # where sessions are made
    "cases/migrate.py",  # one transaction for all migrations
    "cases/transaction.py",  # where `transaction` is made
    "viewer/api/events.py",
    "viewer/api/health.py",
    "viewer/api/session/proof.py",  # hashing a password holds no transaction open
    "viewer/api/session/signing_in.py",
    "viewer/app.py",
    "viewer/cli_audit.py",
    "viewer/cli_database.py",
    "viewer/cli_keys.py",
    "viewer/cli_seed.py",
    "viewer/dependencies.py",
    "viewer/doctor.py",
    "viewer/incoming.py",  # a file comes in with no transaction open
    "viewer/ingest.py",
    "viewer/simulation/playing.py",  # timers, as the scheduler runs them
    "viewer/simulation/filling.py",  # the pilot, and looking at everything at the end
    "viewer/simulation/stage.py",  # each of the pilot's people in a transaction of their own
    "viewer/live_viewings.py",
    "worker/delivery.py",
    "worker/attachments/keeping.py",
    "worker/lease.py",
    "worker/preparation.py",
    "worker/sweeping.py",
}
"""Files that may begin or end a transaction."""


ACROSS_PROVIDERS = {
    "cases/access/blocks/lifts.py",  # that something is blocked, wherever
    "cases/access/decisions.py",  # refusals that outlive their transaction
    "cases/access/log/accounts.py",  # names in the log of who looked at one's own provider's data
    "cases/access/log/chain.py",  # every provider's chain
    "cases/access/log/risks.py",  # who shares a surname with a patient
    "cases/access/notifications.py",  # telling people of whatever care provider
    "cases/access/patients.py",  # whether the keys fit
    "cases/access/same_patients.py",  # who is the same person elsewhere
    "cases/access/sessions/acting.py",  # who is asking, before it is clear for whom
    "cases/records/annotations/drawing.py",  # locking what a signed answer cites, whoever drew it
    "cases/records/lead_times.py",  # what a performer's work means for the owner's lead times
    "cases/sharing/answers/guards.py",  # what both parties' care providers ask of an answer
    "cases/sharing/answers/limitations.py",  # which slides were handed out, when they may be looked at no longer
    "cases/sharing/answers/reading.py",  # the case that an answer is about, when it may be looked at no longer
    "cases/sharing/answers/releasing.py",  # the owner's case, which a report ends, and who has read an answer
    "cases/sharing/checklists/__init__.py",  # what both sides of a pair have in place
    "cases/sharing/my_referrals.py",  # answers by whoever gave them, for who sent the referral
    "cases/sharing/outbox.py",  # writing what is to be sent to both parties of a request
    "cases/sharing/record_grants.py",  # letting a provider into another's case
    "cases/sharing/reports/description.py",  # one provider's answer about another's case, for both
    "cases/sharing/opened_requests.py",  # whose patient a shared case is about, once the gate lets somebody read it
    "cases/sharing/referrers.py",  # who sent a referral, wherever they work
    "cases/sharing/requests/advancing.py",  # the case of a request, which its performer may see no longer
    "cases/sharing/requests/conflicts.py",  # who took part in a diagnosis that is to be judged
    "cases/sharing/requests/deciding.py",  # whether a case that is to be taken over is still open
    "cases/sharing/requests/disclosures.py",  # letting the performer into the case, and out again
    "cases/sharing/requests/drafting.py",  # short ids that nobody has
    "cases/sharing/requests/holds.py",  # what stands against a request on either side
    "cases/sharing/requests/signout.py",  # who signs out another provider's case
    "cases/sharing/requests/submitting.py",  # what the same patient has said elsewhere
    "cases/sharing/resources.py",  # the facts for the gate
    "cases/sharing/timers.py",  # what happens by itself, to whomever
    "cases/sharing/viewings.py",  # what everybody looks at
    "cases/sharing/work_orders/fulfilling.py",  # glass in the owner's case that will not come
    "cases/sharing/work_orders/moving.py",  # whose patient it is, for the log
    "cases/sharing/worklists/pages.py",  # cases that one was asked about, as far as the gate lets them be named
    "cases/sharing/worklists/searching.py",  # the same in what is searched for
    "cases/sharing/work_orders/placing.py",  # glass that is expected in the owner's case
    "viewer/simulation/checking.py",  # whether everything holds, everywhere
    "viewer/cli_agreements.py",  # the operator's own side of its agreements
}
"""Files that may look across care providers, and what for. Every other query sees one provider."""


def begins_or_ends(call: ast.Call) -> bool:
    """Whether a call commits, rolls back or opens a transaction or a session."""
    match call.func:
        case ast.Attribute(attr="commit" | "rollback"):
            return True
        case ast.Attribute(attr="begin", value=ast.Name(id="make" | "engine" | "session" | "connection")):
            return True
        case ast.Name(id="transaction" | "Session" | "sessionmaker"):
            return True
    return False


def find_edges(source: str) -> list[int]:
    """Lines of a source text at which a transaction begins or ends."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if begins_or_ends(call)]


def test_only_the_edge_begins_and_ends_transactions() -> None:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "web" not in path.parts)
    found = {str(path.relative_to(ROOT)) for path in files if find_edges(path.read_text())}
    assert found - EDGES == set(), "these files begin or end transactions but are not the edge"
    assert EDGES - found == set(), "these files no longer do and need not be listed"


@pytest.mark.parametrize(
    "source", ["session.commit()", "self.session.rollback()", "with transaction(make) as s: ...", "make.begin()"]
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert find_edges(source) == [1]


def test_only_what_is_listed_looks_across_care_providers() -> None:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "web" not in path.parts)
    calls = {
        str(path.relative_to(ROOT))
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "platform"
    }
    assert calls == ACROSS_PROVIDERS
