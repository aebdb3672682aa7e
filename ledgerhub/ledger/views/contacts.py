"""Contacts: customers and suppliers, what they owe or are owed, and their documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import QuerySet, Sum
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Contact, Document, Posting

_OPEN_ROLES = ("receivable", "payable", "deposits")
_COLUMNS = (
    Column("name", "Name", order_by="name"),
    Column("email", "E-mail", order_by="email"),
    Column("kind", "Kind", value=lambda contact: kind_words(contact)),
    Column("country", "Country"),
    Column("balance", "Open balance", numeric=True, exported=False),
)


class Open(NamedTuple):
    """What is open with a contact in one currency; positive: they owe."""

    currency: str
    amount: int

    @property
    def owed(self) -> int:
        """What they are owed."""
        return -self.amount


@require_safe
@member("viewer")
def contacts(request: OrgRequest) -> HttpResponseBase:
    listing = table(
        request,
        Contact.objects.filter(organization=request.organization),
        name="contacts",
        columns=_COLUMNS,
        filters=[
            Filter(
                "kind",
                "Kind",
                choices=[("customer", "Customers"), ("supplier", "Suppliers")],
                apply=_of_kind,
            )
        ],
        search=["name", "email"],
        default_sort="name",
    )
    if listing.export:
        return listing.export
    balances = open_balances(listing.rows)
    rows = [(contact, kind_words(contact), balances.get(contact.pk, [])) for contact in listing.rows]
    return render(request, "ledger/contacts.html", {"table": listing, "rows": rows})


def _of_kind(rows: QuerySet[Contact], kind: str) -> QuerySet[Contact]:
    return rows.filter(is_customer=True) if kind == "customer" else rows.filter(is_supplier=True)


def kind_words(contact: Contact) -> str:
    if contact.is_customer and contact.is_supplier:
        return "Customer and supplier"
    return "Supplier" if contact.is_supplier else "Customer"


def open_balances(contacts: Sequence[Contact]) -> dict[int, list[Open]]:
    """What is open with each contact, by currency, in one query; settled ones are left out."""
    rows = (
        Posting.objects.filter(contact__in=contacts, account__role__in=_OPEN_ROLES)
        .order_by()
        .values_list("contact", "currency")
        .annotate(whole=Sum("amount"))
        .exclude(whole=0)
    )
    found: dict[int, list[Open]] = defaultdict(list)
    for contact, currency, whole in rows:
        if contact is not None:
            found[contact].append(Open(currency, whole))
    return found


@require_safe
@member("viewer")
def contact(request: OrgRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(Contact, organization=request.organization, pk=pk)
    listing = table(
        request,
        Document.objects.filter(contact=found),
        name=f"documents-of-contact-{pk}",
        columns=[
            Column("date", "Date", order_by="date"),
            Column("number", "Document", value=str),
            Column("status", "Status"),
            Column("total", "Amount", order_by="total", numeric=True),
        ],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    context = {
        "contact": found,
        "kind": kind_words(found),
        "table": listing,
        "open": open_balances([found]).get(pk, []),
        "identities": found.identities.order_by("scope", "external_id")[:20],
    }
    return render(request, "ledger/contact.html", context)
