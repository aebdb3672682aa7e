"""The journal as text for hledger and Beancount: a second program that can prove the books."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator

from django.db.models import Min

from ledgerhub.access.models import Organization
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.models import Account, Entry, Posting

FORMATS = ("hledger", "beancount")
_ROOTS = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expenses",
}


def journal_lines(
    organization: Organization,
    *,
    format: str,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> Iterator[str]:
    """The journal from `start` to `end` (both included), a line of text at a time, without line ends.

    Foreign amounts carry their base amount as total price (`@@`), so every transaction balances in base
    currency exactly. Accounts keep the same name in both formats but for the characters allowed.
    """
    beancount = format == "beancount"
    names = account_names(organization, beancount=beancount)
    yield f"; {' '.join(organization.name.split())}: journal, amounts in {organization.base_currency}"
    yield from (_beancount_header if beancount else _hledger_header)(organization, names)
    for entry in _entries(organization, start, end):
        yield ""
        yield from _beancount_title(entry) if beancount else _hledger_title(entry)
        for posting in sorted(entry.postings.all(), key=_by_id):
            yield f"  {names[posting.account_id]}  {_amount(posting, organization.base_currency)}"


def account_names(organization: Organization, *, beancount: bool) -> dict[int, str]:
    """Account id -> hierarchical name, unique: `Assets:Clearing:Stripe`, `Income:4000-Sales`."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for account in Account.objects.filter(organization=organization):
        name = _name(account, beancount=beancount)
        if name in taken:
            name = f"{name}-{_part(account.code, beancount=beancount)}"
        while name in taken:
            name += "-x"
        taken.add(name)
        names[account.pk] = name
    return names


def _name(account: Account, *, beancount: bool) -> str:
    parts = [account.name]
    if account.role == "clearing":
        parts = ["Clearing", account.qualifier.replace("_", " ").title()]
    return ":".join([_ROOTS[account.type], *(_part(part, beancount=beancount) for part in parts)])


def _part(text: str, *, beancount: bool) -> str:
    """One component of an account name.

    hledger: no colon, no double space, nothing that opens a comment or a virtual posting. Beancount:
    letters, digits and dashes, and a capital letter or a digit first.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not beancount:
        return re.sub(r"[:;()\[\]*!|]", "-", text).strip() or "Unnamed"
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")
    return (plain[:1].upper() + plain[1:]) or "Unnamed"


def _hledger_header(organization: Organization, names: dict[int, str]) -> Iterator[str]:
    used = Posting.objects.filter(account__organization=organization).order_by()
    currencies = {organization.base_currency, *used.values_list("currency", flat=True).distinct()}
    for currency in sorted(currencies):
        # hledger wants a decimal mark even where there are no decimals.
        number = f"{from_minor(0, currency):f}"
        yield f"commodity {number if '.' in number else number + '.'} {currency}"
    yield from (f"account {name}" for name in sorted(names.values()))


def _beancount_header(organization: Organization, names: dict[int, str]) -> Iterator[str]:
    yield f'option "title" "{_quoted(organization.name)}"'
    yield f'option "operating_currency" "{organization.base_currency}"'
    # Beancount turns a total price into a price a unit, which may be off in the 27th digit.
    yield 'option "inferred_tolerance_default" "*:0.000001"'
    opened = _first_days(organization)
    for account_id in sorted(opened, key=lambda key: names[key]):
        yield f"{opened[account_id].isoformat()} open {names[account_id]}"


def _first_days(organization: Organization) -> dict[int, dt.date]:
    rows = Posting.objects.filter(account__organization=organization).order_by()
    return dict(rows.values_list("account").annotate(first=Min("date")))


def _entries(organization: Organization, start: dt.date | None, end: dt.date | None) -> Iterator[Entry]:
    entries = Entry.objects.filter(organization=organization).order_by("date", "id")
    if start is not None:
        entries = entries.filter(date__gte=start)
    if end is not None:
        entries = entries.filter(date__lte=end)
    return entries.prefetch_related("postings").iterator(chunk_size=1000)


def _hledger_title(entry: Entry) -> Iterator[str]:
    yield f"{entry.date.isoformat()} * ({entry.pk}) {_plain(entry.memo)}"


def _beancount_title(entry: Entry) -> Iterator[str]:
    yield f'{entry.date.isoformat()} * "{_quoted(entry.memo)}"'
    yield f'  entry: "{entry.pk}"'


def _by_id(posting: Posting) -> int:
    return posting.pk


def _amount(posting: Posting, base: str) -> str:
    amount = _money(posting.amount, posting.currency)
    if posting.currency == base:
        return amount
    if not posting.amount:  # a revaluation: no price makes something of nothing
        return _money(posting.base_amount, base)
    return f"{amount} @@ {_money(abs(posting.base_amount), base)}"


def _money(amount: int, currency: str) -> str:
    return f"{from_minor(amount, currency):f} {currency}"


def _quoted(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace('"', '\\"').split())


def _plain(text: str) -> str:
    """A description hledger reads as one: no comment, no second field."""
    return " ".join(re.sub(r"[;|]", ",", text).split())
