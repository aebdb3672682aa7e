"""Who a bank text is about: dates, card and store numbers, places and fillers off, the payee left (pure)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from reconciliation.matching.vocabulary import ABBREVIATIONS, FILLERS, KIND_GROUPS, LEGAL_FORMS
from reconciliation.matching.words import folded

_DATE = re.compile(r"\b\d{1,4}[./-]\d{1,2}(?:[./-]\d{1,4})?\b|\b\d{1,2}:\d{2}(?::\d{2})?\b")
_TOKEN = re.compile(r"[^\W_]+(?:&[^\W_]+)*")
# How money travelled says nothing of where it went; what it was for (rent, tax, fee) does and stays.
_WAYS = frozenset(
    word
    for group in ("card", "wire", "transfer", "direct debit", "cheque", "deposit")
    for word in KIND_GROUPS[group].split()
)
# Tills and wallets that print their own sign before the shop's name.
_TILLS = frozenset("sq tst pp paypal py sp sumup zettle iz crv ckcd apl".split())
_NOISE = FILLERS | LEGAL_FORMS | _WAYS | _TILLS
_STATES = (
    "al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd "
    "oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc"
)
_COUNTRIES = "us usa gb uk fr es it nl be at ch se no dk ie"
_REGIONS = frozenset(f"{_STATES} {_COUNTRIES}".split())
# A number this short may begin a name ("3M", "7 Eleven", "O2"); a longer one counts or dates.
_SHORT_NUMBER = 2
_STEM = 2


class Payee(NamedTuple):
    """`key` is all that names the payee; `stem` the beginning of it, where a place or branch follows."""

    key: str
    stem: str


@lru_cache(maxsize=1 << 15)
def payee(text: str) -> Payee:
    """The payee of a bank text, folded to lower case; both parts empty where nothing names one."""
    tokens = _TOKEN.findall(_DATE.sub(" ", folded(text).replace("'", "").replace("’", "")))
    tokens = _without_region([ABBREVIATIONS.get(token, token) for token in tokens])
    named = [token for token in tokens if _names(token, first=token == tokens[0])]
    telling = [token for token in named if token not in _NOISE] or named
    before = _before_number(tokens)
    stem = [token for token in telling if token in before] or telling[:_STEM]
    return Payee(" ".join(telling), " ".join(stem))


def _without_region(tokens: list[str]) -> list[str]:
    return tokens[:-1] if len(tokens) > 1 and tokens[-1] in _REGIONS else tokens


def _names(token: str, *, first: bool) -> bool:
    """Whether a token may be part of a name: letters, or a short number that begins the text."""
    if not any(character.isdigit() for character in token):
        return True
    return first and len(token) <= _SHORT_NUMBER


def _before_number(tokens: list[str]) -> set[str]:
    """What stands before the first number ("STARBUCKS 1234 SEATTLE"): the name without its branch."""
    for position, token in enumerate(tokens):
        if position and token[0].isdigit():
            return set(tokens[:position])
    return set()
