"""Every broken protocol is found by the crashes that the whole one survives."""

from __future__ import annotations

import pytest

from tests.mutants.hunt import hunt
from tests.mutants.protocols import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_no_mutant_survives(mutant: Mutant) -> None:
    """A protocol that is broken in one place breaks a promise, and that is seen."""
    assert hunt(mutant) is not None


def test_there_are_enough_of_them() -> None:
    """Each mutant has a name of its own, and there are ten at least."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
