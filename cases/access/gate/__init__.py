"""May this actor do this with this resource now? Nothing else answers that.

The gate takes facts, not rows: an `Actor` and a `Resource`, each filled in one place. Steps are asked in order and
the first that fails answers. What is not known is denied. Source: domain rules, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cases.access.actors import OVERDUE, Actor, Period, Purpose
from cases.access.gate.codes import Code
from cases.access.gate.facts import (
    Availability,
    Basis,
    CareLink,
    CoherentFacts,
    Decision,
    DisclosureFacts,
    Intent,
    Obligation,
    Refused,
    Resource,
)
from cases.access.permissions import PERMITS, Permission, Role

__all__ = [
    "IMPERSONAL",
    "OVERDUE",
    "STEPS",
    "Availability",
    "Basis",
    "CareLink",
    "Code",
    "CoherentFacts",
    "Decision",
    "DisclosureFacts",
    "Intent",
    "Obligation",
    "Refused",
    "Resource",
    "decide",
]

BLOCKS_MAX_AGE = timedelta(minutes=15)
"""Blocks that were last read from their source longer ago are not relied on."""
AFTER_CONFERENCE = timedelta(hours=24)
"""For so long after a conference its participants may still look."""
LONGEST_VIEW = timedelta(minutes=2)
"""A decision carries this far at the most; then it is made again."""


NEEDS = {
    Intent.READ: Permission.READ_RECORD,
    Intent.VIEW: Permission.OPEN_IMAGE,
    Intent.ANNOTATE: Permission.ANNOTATE,
    Intent.DRAFT: Permission.DRAFT_ANSWER,
    Intent.SIGN: Permission.SIGN_ANSWER,
    Intent.DOWNLOAD_ORIGINAL: Permission.EXPORT,
    Intent.EXPORT: Permission.EXPORT,
    Intent.VIEW_LABEL: Permission.SEE_LABEL,
}
"""The permission that each intent needs."""
QUALITY_CONTROL = frozenset({Role.LAB})
"""Who looks at what nobody else may see yet, of their own unit."""
IMPERSONAL = frozenset({Purpose.QUALITY, Purpose.ADMINISTRATION})
"""Purposes that act on an order and take part in nobody's care."""


DIRECT = frozenset({CareLink.TEAM, CareLink.QUEUE, CareLink.NAMED})
"""Links that need no further choice inside one's own provider."""
LOOKING_UP = frozenset({CareLink.CONFERENCE, CareLink.RELATION, CareLink.EMERGENCY})
"""Links on which another provider's information may be looked up."""


@dataclass(slots=True)
class Asking:
    """One question under way: its facts, and what the steps have found so far."""

    actor: Actor
    resource: Resource
    intent: Intent
    now: datetime
    basis: Basis | None = None
    disclosure: DisclosureFacts | None = None
    ends: list[datetime] = field(default_factory=list)

    @property
    def checks_quality(self) -> bool:
        """Whether somebody looks who has to find out what is wrong with it, in the owner's own unit."""
        roles = self.actor.roles(self.now)
        own = self.actor.unit_id == self.resource.unit_id
        return (
            own
            and not QUALITY_CONTROL.isdisjoint(roles)
            and self.intent in (Intent.READ, Intent.VIEW, Intent.VIEW_LABEL)
        )

    def holds(self, periods: tuple[Period, ...]) -> bool:
        """Whether one of some periods holds now; what then ends with it is noted."""
        current = [period for period in periods if period.holds(self.now)]
        if not current:
            return False
        if all(period.end for period in current):
            self.ends.append(max(period.end for period in current if period.end))
        return True

    def note_choice(self) -> None:
        """It rests on an active choice, and ends with that."""
        if self.resource.chosen_until:
            self.ends.append(self.resource.chosen_until)


Step = Callable[[Asking], Code | None]


def check_session(asking: Asking) -> Code | None:
    """0a: the session holds; for signing, the person has proved who they are just now."""
    actor = asking.actor
    if actor.ended or asking.now >= min(actor.idle_until, actor.ends_at):
        return Code.D01
    asking.ends.append(actor.ends_at)
    if asking.intent is Intent.SIGN and not actor.proved_lately(asking.now):
        return Code.D01
    return None


def check_assurance(asking: Asking) -> Code | None:
    """0b: the sign-in was strong enough."""
    return None if asking.actor.assurance >= 3 or asking.actor.demo else Code.D02


def check_assignment(asking: Asking) -> Code | None:
    """0c: the assignment holds, both providers take part, and its purpose allows what is wanted."""
    actor, resource = asking.actor, asking.resource
    sound = (
        actor.provider_active
        and resource.owner_active
        and asking.holds((actor.employed,))
        and asking.holds(actor.connections)
        and asking.holds(actor.processings)
        and asking.holds(resource.connections)
        and asking.holds(resource.processings)
    )
    if not sound:
        return Code.D03
    if actor.purpose is Purpose.CARE:
        return None
    ordered = actor.purpose in IMPERSONAL and actor.order_number is not None
    return None if ordered and asking.intent in (Intent.READ, Intent.VIEW) else Code.D03


def check_role(asking: Asking) -> Code | None:
    """0d: a role that holds here allows it, and the risk analysis behind that role is not long overdue."""
    allowing, departments = PERMITS[NEEDS[asking.intent]], asking.resource.departments
    sound = [
        grant.period
        for grant in asking.actor.grants
        if grant.role in allowing
        and (not departments or grant.department_id is None or grant.department_id in departments)
        and asking.now.date() - grant.analysis_due <= OVERDUE
    ]
    return None if asking.holds(tuple(sound)) else Code.D04


def check_availability(asking: Asking) -> Code | None:
    """0e: it is there to be shown; how it stands is told earlier, and quality control in the owner's unit looks."""
    match asking.resource.availability:
        case Availability.READY:
            return None
        case Availability.HELD_BACK if asking.intent is Intent.READ or asking.checks_quality:
            return None
    return Code.D05


def check_identity(asking: Asking) -> Code | None:
    """0f: it is certain whose it is; those who have to find out are let through."""
    return None if asking.resource.identity_verified or asking.checks_quality else Code.D06


def check_care_link(asking: Asking) -> Code | None:
    """1: something ties the actor to the patient's care."""
    links = asking.resource.links
    if not links:
        return Code.D10
    if not links & DIRECT and asking.resource.relation and asking.resource.relation.end:
        asking.ends.append(asking.resource.relation.end)
    return None


def find_basis(asking: Asking) -> Code | None:
    """2: the first legal ground that holds."""
    actor, resource = asking.actor, asking.resource
    if resource.links == {CareLink.CONFERENCE} and not _is_conference_time(asking):
        return Code.D24
    if actor.unit_id == resource.unit_id:
        asking.basis = Basis.OWN_UNIT
        return None
    if actor.provider_id == resource.provider_id:
        asking.basis = Basis.OWN_PROVIDER
        if resource.links & DIRECT:
            return None
        asking.note_choice()
        return None if resource.chosen else Code.D20
    disclosed = _find_disclosure(asking)
    if disclosed is None:
        asking.basis = Basis.DISCLOSED
        return None
    coherent = _may_look_up(asking)
    if coherent is None:
        asking.basis = Basis.COHERENT_RECORD
        asking.note_choice()
        return None
    return coherent if disclosed is Code.D20 else disclosed


def _is_conference_time(asking: Asking) -> bool:
    held = asking.resource.conference
    return held is not None and asking.holds((Period(held.start, held.end and held.end + AFTER_CONFERENCE),))


def _find_disclosure(asking: Asking) -> Code | None:
    """2c. The code is that of the last disclosure to the actor's unit; D20 where there is none."""
    actor, why = asking.actor, Code.D20
    for made in sorted(asking.resource.disclosures, key=lambda made: made.decided_at):
        if (made.provider_id, made.unit_id) != (actor.provider_id, actor.unit_id):
            continue
        if made.hold is not None:
            why = made.hold
        elif (
            made.window is None
            or not made.window.holds(asking.now)
            or (made.preview and asking.intent is not Intent.READ)
        ):
            why = Code.D22
        elif not made.period.holds(asking.now):
            why = Code.D26
        elif not made.contains:
            why = Code.D25
        elif made.named and actor.assignment_id not in made.named:
            why = Code.D27
        elif not asking.holds(made.terms):
            why = Code.D21
        else:
            asking.disclosure = made
            asking.holds((made.window,))
            asking.holds((made.period,))
            return None
    return why


def _may_look_up(asking: Asking) -> Code | None:
    """2d: the coherent record. The code is D20 where it does not come into question."""
    facts, resource = asking.resource.coherent, asking.resource
    if not (
        resource.links & LOOKING_UP
        and "SJF" in asking.actor.rights
        and facts.informed
        and facts.available
        and facts.chosen
        and asking.holds(facts.members)
    ):
        return Code.D20
    return None if asking.holds(facts.consents) else Code.D23


def check_blocks(asking: Asking) -> Code | None:
    """3 and 3c: the patient has not blocked it, or has since said yes to just this. One's own unit is never blocked."""
    if asking.basis is Basis.OWN_UNIT:
        return None
    actor, resource = asking.actor, asking.resource
    for block in resource.blocks:
        consented = asking.disclosure and asking.disclosure.explicit_consent_at
        if consented and consented > block.registered_at:
            continue
        if block.applies(
            provider_id=resource.provider_id,
            unit_id=resource.unit_id,
            actor_provider_id=actor.provider_id,
            actor_unit_id=actor.unit_id,
            actor_assignment_id=actor.assignment_id,
            informed=resource.informed,
            now=asking.now,
        ):
            return Code.D30
        if lifted_until := block.lifted_until(unit_id=actor.unit_id, assignment_id=actor.assignment_id, now=asking.now):
            asking.ends.append(lifted_until)
    return None


def check_block_data(asking: Asking) -> Code | None:
    """3b: what is known of blocks is fresh enough to rely on."""
    if asking.basis is Basis.OWN_UNIT:
        return None
    read_at = asking.resource.blocks_read_at
    return None if read_at and asking.now - read_at <= BLOCKS_MAX_AGE else Code.D31


def check_objection(asking: Asking) -> Code | None:
    """4: the patient has not objected to sharing since they last said yes to it."""
    objected = asking.resource.objection_at
    if objected is None or asking.basis in (Basis.OWN_UNIT, Basis.OWN_PROVIDER):
        return None
    disclosure = asking.disclosure
    consented = disclosure.explicit_consent_at if disclosure else asking.resource.coherent.consented_at
    return None if consented and consented > objected else Code.D32


def check_protected_identity(asking: Asking) -> Code | None:
    """5: a protected identity is for those who are named, and handed out only after the harm was weighed."""
    if not asking.resource.protected:
        return None
    weighed = asking.disclosure is None or asking.disclosure.harm_tested
    return None if asking.resource.named and weighed else Code.D40


def check_conflict(asking: Asking) -> Code | None:
    """6: nobody judges their own work, whichever hat they wear."""
    judging = asking.intent in (Intent.DRAFT, Intent.SIGN)
    return Code.D41 if judging and asking.actor.person_id in asking.resource.conflicted else None


def check_extras(asking: Asking) -> Code | None:
    """7: what goes beyond looking is allowed here."""
    disclosure, own = asking.disclosure, asking.basis is Basis.OWN_UNIT
    match asking.intent:
        case Intent.READ | Intent.VIEW:
            allowed = True
        case Intent.DOWNLOAD_ORIGINAL:
            allowed = own or bool(disclosure and disclosure.allow_download)
        case Intent.VIEW_LABEL:
            allowed = own
        case _:
            allowed = asking.basis is not Basis.COHERENT_RECORD and not (disclosure and disclosure.read_only)
    return None if allowed else Code.D42


STEPS: tuple[Step, ...] = (
    check_session,
    check_assurance,
    check_assignment,
    check_role,
    check_availability,
    check_identity,
    check_care_link,
    find_basis,
    check_blocks,
    check_block_data,
    check_objection,
    check_protected_identity,
    check_conflict,
    check_extras,
)
"""In this order; the first that says no answers. The eighth, the log, is written by `cases.access.decisions`."""


def decide(
    actor: Actor, resource: Resource, intent: Intent, now: datetime, *, steps: tuple[Step, ...] = STEPS
) -> Decision:
    """Whether somebody may do something with a resource now.

    Args:
        actor: who.
        resource: what, as it concerns that actor.
        intent: to do what.
        now: when.
        steps: all of them; tests leave some out to see that each is needed.

    Returns:
        The basis with its obligations, or the code of the first step that said no.

    Source: domain rules, section 4.
    """
    asking = Asking(actor, resource, intent, now)
    for step in steps:
        if (code := step(asking)) is not None:
            hidden = code is Code.D10 and actor.provider_id != resource.provider_id
            return Decision(allow=False, intent=intent, code=code, hidden=hidden)
    return Decision(
        allow=True,
        intent=intent,
        basis=asking.basis,
        obligations=_find_obligations(asking),
        until=min([now + LONGEST_VIEW, *asking.ends]),
    )


def _find_obligations(asking: Asking) -> frozenset[Obligation]:
    resource, disclosure = asking.resource, asking.disclosure
    found = {
        Obligation.INTENDED_USE_BANNER: True,
        Obligation.MASK_LABEL: not (asking.basis is Basis.OWN_UNIT and asking.intent is Intent.VIEW_LABEL),
        Obligation.READ_ONLY: asking.basis is Basis.COHERENT_RECORD or bool(disclosure and disclosure.read_only),
        Obligation.PROTECTED_BANNER: resource.protected,
        Obligation.BLOCK_NOTICE: resource.other_blocks,
    }
    return frozenset(obligation for obligation, due in found.items() if due)
