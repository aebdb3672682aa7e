"""Pure: what stands over there: a destination's documents in plain terms, ours and those of its people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from integrations.payloads import canonical, digest_of
from integrations.records import Record

if TYPE_CHECKING:
    from integrations.spec import Read, Stream

State = Literal["standing", "void", "gone"]
# Where their system does not say where a line is booked; the words behind it say why.
UNKNOWN = "unknown:"
# What it added by itself as tax; our own tax is a line on an account.
TAX = "tax:"
_OURS = re.compile(r"LH-[\w-]+")
_NOTED = re.compile(r"\((LH-[\w-]+)\)")


class At(NamedTuple):
    """A line of what stands there, in major units, debit positive. `at` says where as their system does:
    `account:42`, `item:4` (the account of that item), `type:Accounts Receivable` (the one account of that
    group), TAX, or UNKNOWN with the reason in words."""

    at: str
    amount: Decimal
    words: str = ""


class Standing(NamedTuple):
    """A document of theirs. `id` is the one deliveries are known by (`Bill:12`); `reference` is ours, where
    it carries one; `day` is None and `currency` empty where it does not say; `contact` is an id of theirs."""

    id: str
    kind: str
    version: str = ""
    state: State = "standing"
    number: str = ""
    reference: str = ""
    day: dt.date | None = None
    currency: str = ""
    amount: Decimal = Decimal(0)
    contact: str = ""
    contact_name: str = ""
    note: str = ""
    lines: tuple[At, ...] = ()
    changed_at: str = ""
    changed_by: str = ""

    @property
    def fingerprint(self) -> str:
        """A hash of what people can change: the same as long as nobody did, whatever else moved on (its
        version, what was paid of it)."""
        lines = [(line.at, _plain(line.amount), line.words) for line in self.lines]
        said = [self.state, self.number, str(self.day), self.currency, _plain(self.amount), self.contact]
        return digest_of(canonical([*said, self.note, lines]))


def _plain(amount: Decimal) -> str:
    """110, 110.0 and 110.00 are one amount."""
    return format(amount.normalize(), "f") if amount else "0"


def our_reference(number: str, note: str) -> str:
    """Ours, as their number or in brackets in their note; empty where there is none."""
    noted = _NOTED.search(note)
    return number if _OURS.fullmatch(number) else noted[1] if noted else ""


@dataclass(frozen=True, slots=True)
class Books:
    """How to see what stands over there. `stream` lists what changed (its records in the vendor's plain
    shape, ours among them) and says what those of other people become here; `pick` reads a shaped record.

    Where lists do not tell of what was deleted, `ask` asks for at most `at_once` documents by their ids and
    `found` gives the records of its answer to those ids, as the stream would (TransientError where it is not
    whole: what it leaves out is taken for deleted); `gone` is the record, as the stream would
    tell it, of one that is not there any more. `unlisted`: what of ours the stream does not tell of, by the
    beginnings of its ids.
    """

    stream: Stream
    pick: Callable[[Record], Standing]
    ask: Callable[[Sequence[str]], Read] | None = None
    found: Callable[[Any, Sequence[str]], list[Record]] = lambda answer, ids: []
    gone: Callable[[str], Record] = lambda identity: {"id": identity}
    at_once: int = 500
    unlisted: tuple[str, ...] = ()


class Side(NamedTuple):
    """One side of a comparison: the day, the currency, and minor units by account, debits positive."""

    day: dt.date | None
    currency: str
    sums: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(amount for amount in self.sums.values() if amount > 0)


def apart(ours: Side, theirs: Side) -> tuple[list[str], list[str]]:
    """(which of day, currency and amount differ, accounts whose amounts differ)."""
    facts = [
        name
        for name, same in (
            ("amount", ours.total == theirs.total),
            ("currency", not theirs.currency or ours.currency == theirs.currency),
            ("day", theirs.day is None or ours.day == theirs.day),
        )
        if not same
    ]
    accounts = sorted({*ours.sums, *theirs.sums})
    return facts, [one for one in accounts if ours.sums.get(one, 0) != theirs.sums.get(one, 0)]
