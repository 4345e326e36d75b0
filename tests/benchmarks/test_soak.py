import pytest

from benchmarks.soak import Sample, problems

STEADY = [Sample(requests, 150.0, 200, 40) for requests in range(50_000, 1_050_000, 50_000)]


def test_a_server_that_stays_as_it_is_passes() -> None:
    assert problems(STEADY) == []


def test_what_happens_in_the_first_tenth_is_warming_up() -> None:
    assert problems([Sample(50_000, 100.0, 100, 10), *STEADY[1:]]) == []


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (Sample(1_000_000, 158.0, 200, 40), "memory went from 150.0 to 158.0 MB"),
        (Sample(1_000_000, 150.0, 201, 40), "series went from 200 to 201"),
        (Sample(1_000_000, 150.0, 200, 41), "open files went from 40 to 41"),
    ],
)
def test_what_grew_is_named(last: Sample, message: str) -> None:
    assert problems([*STEADY[:-1], last]) == [message]
