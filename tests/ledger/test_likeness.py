"""How alike bank texts are: the words that name somebody count, what banks put round them does not."""

from __future__ import annotations

import pytest

from ledgerhub.ledger.likeness import CLOSE, SAME, UNTOLD, likeness, numbers, words


def test_the_telling_words_are_what_is_left() -> None:
    assert words("POS DEBIT 4411 Bean & Co., SEATTLE") == "bean co seattle"
    assert words("Kartenzahlung CAFÉ MÜLLER 03.02.") == "cafe muller"
    assert words("CARD PURCHASE") == "card purchase"
    assert words("1234567") == ""


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("PENDING BEAN & CO", "Bean & Co Seattle WA", SAME, 1.0),
        ("STARBUCKS STORE 0417", "STARBUCKS STORE 9913 SEATTLE", SAME, 1.0),
        ("CARD PURCHASE AMAZON", "CARD PURCHASE SHELL", 0.0, CLOSE - 0.01),
        ("PAYMENT TO CARD 9023", "Harbor First Bank PAYMENT TO CARD 9023", SAME, 1.0),
        ("Coffee", "Tea", 0.0, CLOSE - 0.01),
        ("", "Bean & Co", UNTOLD, UNTOLD),
        ("998877", "998877", 1.0, 1.0),
    ],
)
def test_likeness(one: str, other: str, least: float, most: float) -> None:
    assert least <= likeness(one, other) <= most


def test_long_texts_and_other_scripts() -> None:
    assert likeness("咖啡店 " * 5000, "咖啡店") == 1.0
    assert likeness("a" * 100_000, "b" * 100_000) < CLOSE


def test_numbers() -> None:
    assert numbers("AUTH 004512 on 03-02, ref 99") == frozenset({"004512"})
