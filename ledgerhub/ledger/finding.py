"""Finding: documents, entries, contacts and statement lines by number, id, amount or words, in bounded time.

Numbers, ids and amounts are looked up by index over everything; words are compared with the newest rows
only, so that a search in books of any size answers at once.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from django.db.models import Q, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.core.money import Inexact, to_minor
from ledgerhub.ledger.models import Contact, Document, Entry, StatementLine

NEWEST = 5_000
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


def documents_with(rows: QuerySet[Document], text: str, *, currency: str = "USD") -> QuerySet[Document]:
    """Documents with this number, id or amount, and newest ones with these words."""
    exact = Q(number__in=_numbers(text)) | Q(external_id=text) | Q(reference=text)
    amount = read_amount(text, currency)
    if amount is not None:
        exact |= Q(total__in=(amount, -amount))
    return rows.filter(exact | _worded(rows, text, ("number", "reference", "contact__name")))


def entries_with(rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    """Entries with this id, of documents with this number, id or amount, and newest ones with these words."""
    documents = Document.objects.filter(
        Q(number__in=_numbers(text)) | Q(external_id=text) | _amount(text),
        organization__in=rows.values("organization")[:1],
    )
    exact = Q(document__in=list(documents.values_list("pk", flat=True)[:NEWEST]))
    number = read_entry_id(text)
    if number is not None:
        exact |= Q(pk=number)
    return rows.filter(exact | _worded(rows, text, ("memo",)))


def contacts_with(organization: Organization, text: str) -> QuerySet[Contact]:
    rows = Contact.objects.filter(organization=organization)
    return rows.filter(_words(text, ("name", "email"))).order_by("name", "pk")


def lines_with(organization: Organization, text: str) -> QuerySet[StatementLine]:
    """Statement lines of this amount, and newest ones with these words."""
    rows = StatementLine.objects.filter(organization=organization)
    amount = read_amount(text, organization.base_currency)
    exact = (
        Q(account__organization=organization, amount__in=(amount, -amount))
        if amount is not None
        else Q(pk=-1)
    )
    newest = _worded(rows, text, ("description", "counterparty", "reference"))
    return rows.filter(exact | newest).select_related("account").order_by("-date", "-position")


def _numbers(text: str) -> list[str]:
    """As people type a number and as sources write it: with and without the hash, in capitals."""
    bare = text.lstrip("#")
    return list(dict.fromkeys([text, bare, f"#{bare}", bare.upper()]))


def _amount(text: str) -> Q:
    amount = read_amount(text, "USD")
    return Q(total__in=(amount, -amount)) if amount is not None else Q(pk=-1)


def _worded(
    rows: QuerySet[Document] | QuerySet[Entry] | QuerySet[StatementLine], text: str, paths: tuple[str, ...]
) -> Q:
    """Every word in one of the fields, among the newest rows."""
    floor = rows.model.objects.order_by("-pk").values_list("pk", flat=True)[NEWEST : NEWEST + 1]
    oldest = next(iter(floor), 0)
    return Q(pk__gt=oldest) & _words(text, paths)


def _words(text: str, paths: tuple[str, ...]) -> Q:
    found = Q()
    for word in text.split()[:8]:
        either = Q()
        for path in paths:
            either |= Q(**{f"{path}__icontains": word})
        found &= either
    return found
