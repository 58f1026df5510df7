"""Which legal construction a service rests on."""

from __future__ import annotations

import itertools

import pytest

from cases.access.errors import Invalid
from cases.sharing.legal_models import REASONS, LegalAnswers, LegalModel, choose_legal_model


@pytest.mark.parametrize("answers", list(itertools.product((True, False), repeat=4)))
def test_the_first_yes_decides_the_legal_model(answers: tuple[bool, bool, bool, bool]) -> None:
    names = ("works_for_owner", "owner_sends_case", "looks_up", "only_technical")
    asked = LegalAnswers(**dict(zip(names, answers, strict=True)))
    if not any(answers):
        with pytest.raises(Invalid, match=r"No legal construction fits: .* is not allowed; ask the lawyer"):
            choose_legal_model(asked)
        return
    chosen = choose_legal_model(asked)
    assert chosen == list(LegalModel)[answers.index(True)]
    assert REASONS[chosen].sv != REASONS[chosen].en
