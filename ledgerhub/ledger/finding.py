"""Finding: documents, entries, contacts and statement lines by number, id, amount or words, in bounded time.

Numbers, ids and amounts are looked up by index over everything; words are compared with the newest rows
only, so that a search in books of any size answers at once.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.core.money import Inexact, to_minor
from ledgerhub.ledger.models import Account, Contact, Document, Entry, StatementLine

NEWEST = 3_000
MOST = 500
_AMOUNT = re.compile(r"[-+−]?[\d.,' ]*\d(?:[.,]\d+)?")
_ID = re.compile(r"(?:je|entry)?[\s\-#]*(\d{1,18})", re.IGNORECASE)


def read_amount(text: str, currency: str) -> int | None:
    """ "1,234.50", "1.234,50", "-12" -> minor units; None where it is not an amount."""
    text = text.strip().replace("−", "-")
    if not _AMOUNT.fullmatch(text):
        return None
    digits = text.replace(" ", "").replace("'", "")
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0 and (
        len(digits) - mark != 4 or (digits.count(digits[mark]) == 1 and "." in digits and "," in digits)
    ):
        digits = digits[:mark].replace(",", "").replace(".", "") + "." + digits[mark + 1 :]
    try:
        return to_minor(Decimal(digits.replace(",", "")), currency)
    except (InvalidOperation, Inexact):
        return None


def read_entry_id(text: str) -> int | None:
    """ "318", "JE-318" and "entry 318" -> 318."""
    found = _ID.fullmatch(text.strip())
    return int(found[1]) if found else None


def documents_with(
    rows: QuerySet[Document], text: str, *, organization: Organization, known: set[int] | None = None
) -> QuerySet[Document]:
    """Documents with this number, id or amount, and newest ones with these words.

    `known` is what `known_documents` gave for the text, where it was asked before.
    """
    mine = Document.objects.filter(organization=organization)
    found = known_documents(organization, text) if known is None else known
    return rows.filter(pk__in=found | _newest(mine, "date", text, ("number", "reference", "contact__name")))


def entries_with(
    rows: QuerySet[Entry], text: str, *, organization: Organization, known: set[int] | None = None
) -> QuerySet[Entry]:
    """Entries with this id, of documents with this number, id or amount, and newest ones with these words."""
    mine = Entry.objects.filter(organization=organization)
    found = _newest(mine, "date", text, ("memo",))
    number = read_entry_id(text)
    if number is not None:
        found.add(number)
    documents = known_documents(organization, text) if known is None else known
    return rows.filter(Q(pk__in=found) | Q(document__in=documents))


def known_documents(organization: Organization, text: str) -> set[int]:
    """Documents of this number, id or amount; each looked up by its own index, the newest of very many."""
    mine = Document.objects.filter(organization=organization).order_by("-pk").values_list("pk", flat=True)
    found = {*mine.filter(number__in=_numbers(text))[:MOST], *mine.filter(external_id=text)[:MOST]}
    amount = read_amount(text, organization.base_currency)
    if amount is not None:
        found.update(mine.filter(total__in=(amount, -amount))[:MOST])
    return found


def contacts_with(organization: Organization, text: str) -> QuerySet[Contact]:
    rows = Contact.objects.filter(organization=organization)
    return rows.filter(_words(text, ("name", "email"))).order_by("name", "pk")


def lines_with(organization: Organization, text: str) -> QuerySet[StatementLine]:
    """Statement lines of this amount, and newest ones with these words."""
    mine = StatementLine.objects.filter(organization=organization)
    found = _newest(mine, "pk", text, ("description", "counterparty", "reference"))
    amount = read_amount(text, organization.base_currency)
    if amount is not None:
        accounts = list(Account.objects.filter(organization=organization).values_list("pk", flat=True))
        exact = StatementLine.objects.filter(account__in=accounts, amount__in=(amount, -amount))
        found.update(exact.values_list("pk", flat=True)[:MOST])
    rows = StatementLine.objects.filter(pk__in=found).select_related("account")
    return rows.order_by("-date", "-position")


def _numbers(text: str) -> list[str]:
    """As people type a number and as sources write it: with and without the hash, in capitals."""
    bare = text.lstrip("#")
    return list(dict.fromkeys([text, bare, f"#{bare}", bare.upper()]))


def _newest(rows: QuerySet[Any], order: str, text: str, paths: tuple[str, ...]) -> set[int]:
    """Ids of those with every word in one of the fields, among the NEWEST ones by a column with an index."""
    last = rows.order_by(f"-{order}", "-pk").values_list(order, flat=True)[NEWEST : NEWEST + 1]
    for oldest in last:
        rows = rows.filter(**{f"{order}__gte": oldest})
    return set(rows.filter(_words(text, paths)).order_by().values_list("pk", flat=True)[:MOST])


def _words(text: str, paths: tuple[str, ...]) -> Q:
    found = Q()
    for word in text.split()[:8]:
        either = Q()
        for path in paths:
            either |= Q(**{f"{path}__icontains": word})
        found &= either
    return found
