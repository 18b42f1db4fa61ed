from bitsft.comparison.comparison import compare
from bitsft.comparison.report.choice import choose_rows
from tests.comparison.evaluations import simple


def test_few_rows_are_all_shown() -> None:
    comparison = compare(simple([0.0, 1.0, 0.5]), simple([1.0, 0.5, 0.5], model="t"), resamples=10)
    choice = choose_rows(comparison, 3, 0)
    assert choice.places == (0, 1, 2)
    assert (choice.changed, choice.regressions, choice.all_regressions) == (0, 1, 1)
    assert choice.regressed == {1}


def test_of_many_rows_those_that_changed_most_and_a_sample() -> None:
    base = [0.5] * 200
    tuned = [0.5] * 100 + [0.9] * 20 + [0.1] * 80  # 20 gains, 80 regressions
    comparison = compare(simple(base), simple(tuned, model="t"), resamples=10, trials=10)
    choice = choose_rows(comparison, 60, 0)
    assert len(choice.places) == 60
    assert list(choice.places) == sorted(set(choice.places))
    # Ten of the best, and of the regressions (among them the ten worst) up to half of the room.
    assert set(range(100, 110)) <= {*choice.places}
    assert choice.changed == 30
    assert choice.drawn == 30
    assert choice.all_regressions == 80
    assert choice.regressions == len([place for place in choice.places if place >= 120]) >= 20
    assert choose_rows(comparison, 60, 0) == choice
    assert choose_rows(comparison, 60, 1) != choice


def test_room_for_less_than_the_largest_changes() -> None:
    comparison = compare(
        simple([0.5] * 40), simple([0.9] * 20 + [0.1] * 20, model="t"), resamples=10, trials=10
    )
    choice = choose_rows(comparison, 4, 0)
    assert choice.places == (0, 1, 20, 21)  # two gains and two losses, in turns
    assert choose_rows(comparison, 0, 0).places == ()
