"""The list of mistakes for `make mutants` fits the code as it is."""

from __future__ import annotations

from mutants import find_defect, read_mutants


def test_every_mistake_of_the_list_can_still_be_made() -> None:
    mutants = read_mutants()
    assert {mutant.name: defect for mutant in mutants if (defect := find_defect(mutant))} == {}
    assert len({mutant.name for mutant in mutants}) == len(mutants) >= 20
