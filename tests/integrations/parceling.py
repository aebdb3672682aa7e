"""A draft as the worker would hand it to a destination: posted by the accounting, everything with a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.connectors import get
from integrations.destination import JournalLine, Link, Made, Parcel, Party, Takes, What
from ledgerhub.ledger.accounting import entries

# Accounts that drafts name by their code, and that have a role in our chart.
ROLES = ("receivable", "payable", "bank")


@dataclass(frozen=True)
class Names:
    """Everything has a name: the account `sales` is `A-sales`, its item `I-sales`, the tax `none`."""

    none: str
    groups: Mapping[str, str]
    other: str = "Other"

    def __call__(self, what: What, key: str) -> str:
        return self.none if what == "tax" else f"{what[0].upper()}-{key}"

    def group(self, what: What, key: str) -> str:
        return self.groups.get(key, self.other)

    def through(self, role: str, group: str) -> str:
        return role


def parcel(
    draft: dict[str, Any],
    names: Names,
    *,
    made: Made | None = None,
    supplier: bool = False,
    links: tuple[Link, ...] = (),
    applied: int = 0,
) -> Parcel:
    """Accounts are called by their roles."""
    lines = [
        JournalLine(
            each.account.qualifier or each.account.role, each.amount, entry.currency, each.memo,
            _role(each.account.role, each.account.qualifier), entry.date,
        )
        for entry in entries(draft)
        for each in entry.lines
    ]  # fmt: skip
    party = Party("7", "Ann Lee", supplier=supplier)
    return Parcel(
        "LH-12-1", draft, tuple(lines), {}, names, party, "58", made, links=links, applied=applied, base="USD"
    )


def _role(role: str, code: str) -> str:
    if role != "code":
        return role
    return code if code in ROLES else ""


def taker(connector: str, kind: str) -> Takes:
    destination = get(connector).destination
    takes = destination.of(kind) if destination else None
    assert takes is not None
    return takes
