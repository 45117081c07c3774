"""Texts and figures as pages show them."""

from decda.core.report.texts import number, percent, short


def test_short_texts_numbers_and_shares() -> None:
    """Texts are shortened in their middle; counts have separators; shares are in per cent."""
    assert len(short("a" * 500)) <= 80
    assert short("b" * 80) == "b" * 80
    assert (number(1797), percent(0.5, 0), percent(1)) == ("1,797", "50%", "100.0%")
