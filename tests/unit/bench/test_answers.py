import pytest

from bench.answers import Answer, difference, first_differences

REFERENCE = Answer(("a", "b", "c", "d"), (3.0, 2.000001, 2.0, 1.0))


@pytest.mark.parametrize(
    "page",
    [
        Answer(("a", "b", "c"), (3.0, 2.000001, 2.0)),
        Answer(("a", "c", "b"), (3.0, 2.0, 2.000001)),
        Answer(("a", "b", "c"), (3.000004, 2.0, 2.000003)),
    ],
)
def test_pages_agree_up_to_ties_and_rounding(page: Answer) -> None:
    assert difference(REFERENCE, page, 3) is None


def test_a_tie_at_the_end_of_the_page_may_be_broken_either_way() -> None:
    assert difference(REFERENCE, Answer(("a", "c"), (3.0, 2.0)), 2) is None


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Answer(("a", "d", "b"), (3.0, 1.0, 2.000001)), "place 1: d"),
        (Answer(("a", "b", "d"), (3.0, 2.000001, 2.0)), "place 2: d has score 2, the reference 1"),
        (Answer(("a", "b", "x"), (3.0, 2.000001, 2.0)), "x is none of the 4 candidates"),
        (Answer(("a", "b"), (3.0, 2.000001)), "2 creators"),
        (Answer(("a", "b", "b"), (3.0, 2.000001, 2.000001)), "2 different"),
        (Answer((), ()), "0 creators"),
        (Answer(("a", "b", "c"), (3.0, float("nan"), 2.0)), "place 1: b has score nan"),
    ],
)
def test_whatever_differs_is_told(page: Answer, told: str) -> None:
    problem = difference(REFERENCE, page, 3)
    assert problem is not None
    assert told in problem


def test_all_candidates_are_wanted_when_there_are_fewer_than_a_page() -> None:
    assert difference(REFERENCE, REFERENCE, 50) is None


def test_only_the_first_few_differences_are_listed() -> None:
    problems = first_differences([REFERENCE] * 9, [REFERENCE, *[Answer((), ())] * 8], 4, limit=2)
    assert [problem.partition(":")[0] for problem in problems] == ["request 1", "request 2"]
