"""What an answer says is kept, hashed and read back the same."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.sharing.answers.content import (
    Amendment,
    AmendmentReason,
    AnswerContent,
    Axis,
    CodeSystem,
    DiagnosisCode,
    Findings,
    Limitation,
    Unexamined,
    digest,
    read_amendment,
    read_content,
    read_findings,
    to_json,
)

LEISURELY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine that others use, too."""
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
CONTENTS = st.builds(
    AnswerContent,
    statement=TEXTS,
    diagnosis=TEXTS,
    codes=st.lists(st.builds(DiagnosisCode), max_size=3).map(tuple),
    template_values=st.dictionaries(TEXTS, TEXTS, max_size=3),
    limitations=st.lists(st.builds(Limitation, slide_ids=st.tuples(st.uuids())), max_size=2).map(tuple),
    read_elsewhere=st.lists(st.uuids(), max_size=2).map(tuple),
    unexamined=st.lists(st.builds(Unexamined), max_size=2).map(tuple),
    annotations=st.lists(st.uuids(), max_size=2).map(tuple),
)


@LEISURELY
@given(CONTENTS)
def test_what_is_kept_is_read_back_the_same(content: AnswerContent) -> None:
    kept = json.loads(json.dumps(to_json(content)))
    assert read_content(kept) == content
    assert digest(kept) == digest(to_json(content))


@LEISURELY
@given(CONTENTS, TEXTS)
def test_whoever_changes_a_word_changes_the_hash(content: AnswerContent, words: str) -> None:
    changed = replace(content, statement=words)
    assert (digest(to_json(changed)) == digest(to_json(content))) is (changed == content)


def test_findings_and_amendments_are_read_back_the_same() -> None:
    one = uuid.UUID(int=7)
    findings = Findings(slides_seen=(one,), annotations={str(one): 3}, intended_use="DEVICE")
    assert read_findings(json.loads(json.dumps(to_json(findings)))) == findings
    amendment = Amendment(
        reason=AmendmentReason.OTHER,
        changed="Allt",
        significant=True,
        told_at=datetime(2026, 11, 22, 14, 5, tzinfo=UTC),
    )
    assert read_amendment(json.loads(json.dumps(to_json(amendment)))) == amendment


def test_the_hash_is_that_of_canonical_json() -> None:
    # printf '[{"a":"ö","b":[1,null]}]' | sha256sum
    assert digest({"b": [1, None], "a": "ö"}) == "09c39b90fb2c5d1c426e31d36e811aae7623daf8178d646ee7a1d433a3c4a905"


@pytest.mark.parametrize(
    ("code", "malignant"),
    [
        (DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M81403", "Adenokarcinom"), True),
        (DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M82110", "Tubulärt adenom"), False),
        (DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M80102", "Cancer in situ"), False),
        (DiagnosisCode(Axis.M, CodeSystem.ICDO3, "8140/6", "Metastas"), True),
        (DiagnosisCode(Axis.M, CodeSystem.ICDO3, "8140/3", "Adenokarcinom"), True),
        (DiagnosisCode(Axis.T, CodeSystem.SNOMED_SE, "T67600", "Colon sigmoideum"), False),
        (DiagnosisCode(Axis.OTHER, CodeSystem.ICD10SE, "C187", "Cancer i colon sigmoideum"), True),
        (DiagnosisCode(Axis.OTHER, CodeSystem.ICD10SE, "D126", "Benign tumör i colon"), False),
        (DiagnosisCode(Axis.M, CodeSystem.SCT, "35917007", "Adenocarcinoma"), False),
    ],
)
def test_which_codes_say_cancer(code: DiagnosisCode, malignant: bool) -> None:
    assert code.malignant is malignant
    assert AnswerContent(codes=(code,)).says_malignant is (True if malignant else None)
    assert AnswerContent(codes=(code,), malignant=False).says_malignant is malignant
