import pytest

from engine.cli.output import clean, instant, span


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (250, "250ms"),
        (1_500, "1s"),
        (725_000, "12m 5s"),
        (273_600_000, "3d 4h"),
        (86_400_000, "1d"),
        (-5_000, "-5s"),
    ],
)
def test_a_span_is_told_in_its_largest_units(ms: int, text: str) -> None:
    assert span(ms) == text


def test_instants_are_utc_to_the_millisecond() -> None:
    assert instant(1_800_000_000_001) == "2027-01-15 08:00:00.001Z"


def test_an_instant_no_calendar_has_is_a_number() -> None:
    assert instant(10**18) == "1000000000000000000"


def test_control_characters_in_facts_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b[2Jb\u202ec\n") == "a\\x1b[2Jb\\u202ec\\n"


def test_letters_of_any_script_stay() -> None:
    assert clean("Zürich 東京") == "Zürich 東京"
