"""Signatures: what exactly is signed, and who put their name to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.records.annotations import freeze
from cases.sharing.answers.answer import (
    AnswerVersion,
    Meaning,
    Saving,
    Signature,
    SigningMethod,
    Stage,
)
from cases.sharing.answers.content import digest, to_json
from cases.sharing.answers.drafts import add_version
from cases.sharing.answers.guards import Signing
from cases.sharing.answers.limitations import find_out
from cases.sharing.onlookers import find_onlooker


def hash_version(version: AnswerVersion) -> str:
    """SHA-256, hexadecimal, over what a version says and was found out, and which answer to which request it is."""
    return digest(
        {
            "answer": version.answer_id,
            "request": version.request_id,
            "stage": version.stage,
            "number": version.number,
            "content": version.content,
            "findings": version.findings or {},
            "amendment": version.amendment or {},
        }
    )


def write_signed(session: Session, signing: Signing, stage: Stage, *, by: Actor, now: datetime) -> AnswerVersion:
    """Write the version that is signed, with what was found out and the author's signature, and lock what it cites."""
    answer = signing.answer
    cited = freeze(
        session,
        signing.content.annotations,
        case_id=answer.case_id,
        who=find_onlooker(session, answer.case_id, by=by, now=now),
    )
    findings = find_out(signing.content, signing.material, mode=signing.mode, cited=cited)
    version = add_version(
        session,
        answer,
        signing.version.content,
        base=signing.version.number,
        saving=Saving.SIGNED,
        by=by,
        now=now,
        stage=stage,
        findings=to_json(findings),
        amendment=to_json(signing.amendment) if signing.amendment else None,
    )
    version.content_sha256 = hash_version(version)
    session.flush()
    if signing.version.saving is Saving.DICTATED:
        put_name(session, version, Meaning.DICTATION_CHECK, by=by, now=now)
    put_name(session, version, Meaning.AUTHOR, by=by, now=now)
    return version


def put_name(session: Session, version: AnswerVersion, meaning: Meaning, *, by: Actor, now: datetime) -> Signature:
    """Put somebody's signature under a signed version."""
    signature = Signature(
        answer_version_id=version.id,
        request_id=version.request_id,
        care_provider_id=by.provider_id,
        assignment_id=by.assignment_id,
        meaning=meaning,
        signed_at=now,
        method=SigningMethod.REAUTH_DEMO if by.demo else SigningMethod.REAUTH_LOCAL,
        auth_time=min(by.authenticated_at, now),
        content_sha256=version.content_sha256,
    )
    session.add(signature)
    session.flush()
    return signature


def void_signatures(session: Session, version: AnswerVersion, *, now: datetime) -> None:
    """The signatures of a version hold no longer."""
    for signature in session.scalars(
        select(Signature).where(Signature.answer_version_id == version.id, Signature.voided_at.is_(None))
    ):
        signature.voided_at = now
    session.flush()
