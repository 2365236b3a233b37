from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from histohet.common.arrays import Ints
from histohet.rotation.indices import by_chance, compare, contingency, of_table

LABELS = arrays(np.int64, 40, elements=st.integers(0, 3))


def test_tables_by_hand() -> None:
    table = np.array([[2, 1, 0], [0, 3, 0], [0, 0, 2]])
    found = of_table(table)
    assert found.agreement == 7 / 8
    # Pairs alike in both 1 + 3 + 1 = 5, in rows 3 + 3 + 1 = 7, in columns 1 + 6 + 1 = 8.
    assert found.ari == pytest.approx((5 - 56 / 28) / (7.5 - 56 / 28))
    assert found.dice == pytest.approx((4 / 5 + 6 / 7 + 4 / 4) / 3)


def test_other_names_change_nothing_but_agreement() -> None:
    table = np.array([[2, 1, 0], [0, 3, 0], [0, 0, 2]])
    renamed = of_table(table[:, [1, 2, 0]])
    assert renamed.agreement == 1 / 8
    assert (renamed.ari, renamed.dice) == (of_table(table).ari, of_table(table).dice)


def test_a_table_without_any_relation() -> None:
    found = of_table(np.full((3, 3), 4))
    assert found.agreement == pytest.approx(1 / 3)
    assert found.ari == pytest.approx((9 * 6 - 198**2 / 630) / (198 - 198**2 / 630))
    assert found.dice == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("before", "after", "agreement"),
    [([0, 0, 0], [0, 0, 0], 1), ([0, 0, 0], [0, 1, 2], 1 / 3), ([0, 1, 1], [1, 1, 1], 2 / 3)],
)
def test_a_constant_map_agrees_and_has_no_index(
    before: list[int], after: list[int], agreement: float
) -> None:
    assert compare(np.array(before), np.array(after)) == (pytest.approx(agreement), None, None)


def test_where_no_two_tiles_are_alike_nothing_can_be_told() -> None:
    assert compare(np.arange(4), np.arange(4)) == (1, None, 1)


@given(LABELS, LABELS)
def test_the_index_is_that_of_scikit_learn(before: Ints, after: Ints) -> None:
    found = compare(before, after)
    assert found.agreement == (before == after).mean()
    if found.ari is None:
        assert min(len(np.unique(before)), len(np.unique(after))) == 1
    else:
        assert found.ari == pytest.approx(adjusted_rand_score(before, after), abs=1e-12)


@given(LABELS, LABELS, st.permutations(range(4)), st.permutations(range(4)))
def test_names_of_labels_do_not_matter(
    before: Ints, after: Ints, one: list[int], other: list[int]
) -> None:
    expected = compare(before, after)
    found = compare(np.array(one)[before], np.array(other)[after])
    assert found.ari == pytest.approx(expected.ari)
    assert found.dice == pytest.approx(expected.dice, abs=0.5)


@given(LABELS)
def test_a_map_agrees_with_itself(labels: Ints) -> None:
    found = compare(labels, labels)
    assert found.agreement == 1
    assert found.ari in (None, 1)
    assert found.dice in (None, 1)


def test_labels_without_a_partner_count_as_missed() -> None:
    before, after = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1])
    assert compare(before, after).dice == pytest.approx((2 * 2 / 6 + 0 + 1) / 3)


def test_chance_is_what_permuted_labels_give() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.choice(3, 900, p=[0.6, 0.3, 0.1]), rng.choice(3, 900, p=[0.5, 0.2, 0.3])
    found = by_chance(before, after, np.random.default_rng(0))
    # In closed form: the product of the shares of each label.
    table = contingency(before, after)
    expected = (table.sum(axis=1) * table.sum(axis=0)).sum() / 900**2
    assert found.agreement == pytest.approx(expected, abs=0.005)
    assert found.ari == pytest.approx(0, abs=0.02)
    assert found.dice is not None
    again = by_chance(before, after, np.random.default_rng(0))
    assert again == found
    assert by_chance(np.zeros(5, np.int64), np.arange(5), rng).ari is None
