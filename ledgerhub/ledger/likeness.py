"""How alike two bank texts are: the words that name somebody, without what banks put round them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rapidfuzz import fuzz

# Two texts of one payment; what lies between the two is for a person to say.
SAME, CLOSE = 0.9, 0.7
# What is said of texts of which one says nothing.
UNTOLD = 0.5
_LONGEST = 240
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_TOKEN = re.compile(r"\w+")
_NUMBER = re.compile(r"\d{5,}")
# Words that say how money moved, not with whom.
_ROUND = frozenset(
    "pos debit credit card cards purchase purch payment payments pmt transfer xfer ach sepa visa mastercard "
    "maestro electron contactless pending authorization authorisation auth hold preauth recurring online web "
    "checkcard chk txn trx transaction ref reference id no nr from to the and at on of via inc llc ltd gmbh "
    "kartenzahlung lastschrift uberweisung gutschrift buchung vorgemerkt ausstehend zahlung paiement carte "
    "virement prelevement pago compra tarjeta transferencia pagamento carta bonifico betaling overboeking "
    "duplicate".split()
)


@lru_cache(maxsize=200_000)
def words(text: str) -> str:
    """The telling words of a text, sorted, each once: "POS DEBIT 4411 Bean & Co" -> "bean co"."""
    found = set(_WORD.findall(_plain(text)))
    return " ".join(sorted(found - _ROUND or found))


@lru_cache(maxsize=200_000)
def numbers(text: str) -> frozenset[str]:
    """Long numbers of a text: references, authorization codes."""
    return frozenset(_NUMBER.findall(text[:_LONGEST]))


def likeness(one: str, other: str) -> float:
    """0 to 1; UNTOLD where either says nothing."""
    first, second = words(one), words(other)
    if not first or not second:
        return 1.0 if _plain(one) == _plain(other) != "" else UNTOLD
    if first == second or _within(_tokens(one), _tokens(other)):
        return 1.0
    return float(fuzz.token_set_ratio(first, second)) / 100


@lru_cache(maxsize=200_000)
def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(_plain(text)))


def _within(one: frozenset[str], other: frozenset[str]) -> bool:
    """One text whole within the other, as where one kind of file adds the bank's own name."""
    return min(len(one), len(other)) > 1 and (one <= other or other <= one)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST]).casefold()
    return " ".join("".join(sign for sign in decomposed if not unicodedata.combining(sign)).split())
