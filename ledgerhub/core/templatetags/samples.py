"""Showing: made-up data for the style page, so that it renders with no database behind it."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import ClassVar

from django import forms, template
from django.core.paginator import Paginator
from django.utils import timezone

register = template.Library()

_DAYS = [f"Feb {number}" for number in range(20, 29)] + [f"Mar {number}" for number in range(1, 6)]
_POSTED = [182, 201, 176, 240, 233, 98, 87, 214, 222, 251, 243, 260, 121, 214]
_FAILED = [0, 2, 0, 1, 0, 0, 0, 12, 31, 4, 0, 1, 0, 3]
_BALANCE = [1840233, 1902110, 1795400, 1988120, 2104500, 2104500, 2104500]
_BALANCE += [1650990, 1721405, 1899830, 1984120, 2250360, 2250360, 2314508]
_STATES = ["ok", "running", "queued", "proposed", "shadow", "quarantined", "failed", "draft", "void"]
_ORDERS = [
    ("#1042", "Ann Lee", 10850, "USD", "paid"),
    ("#1041", "Ólafur Arnalds", -123450, "USD", "refunded"),
    ("#1040", "Kanda Trading K.K.", 48200, "JPY", "open"),
    ("#1039", "Al Salam Stores", 1250500, "KWD", "quarantined"),
    ("#1038", "Muster & Söhne GmbH", 99900, "EUR", "partial"),
    ("#1037", "Ann Lee", 0, "USD", "void"),
]
_TABS = [
    {"label": "To review", "url": "#tabs", "active": True, "count": 18},
    {"label": "Approved", "url": "#tabs"},
    {"label": "Rejected", "url": "#tabs", "count": 2},
]
_CHIPS = [
    {"label": "State", "value": "In quarantine", "remove": "#tables"},
    {"label": "Integration", "value": "Shopify", "remove": "#tables"},
]
_STEPS = [
    {"label": "Sign in", "state": "done", "url": "#steps"},
    {"label": "Choose streams", "state": "current"},
    {"label": "Preview", "state": "next"},
    {"label": "Go live", "state": "next"},
]
_FACTS = [
    ("Customer", "Ann Lee"),
    ("Order", "#1042"),
    ("Gateway", "Shopify Payments"),
    ("Mapping", "Version 4"),
]
_CHANGES = [
    {"field": "invoice.total", "before": "88.00", "after": "90.00"},
    {"field": "lines[].tax", "before": "", "after": "2.00"},
    {"field": "invoice.note", "before": "gift", "after": ""},
]
_REASONS = [
    {"text": "Amount equal to the cent", "tone": "success"},
    {"text": "Payout po_1N3 named in the bank text", "tone": "success"},
    {"text": "2 days after the payout date", "tone": "warning"},
]
_LINEAGE = [
    {"kind": "API call", "label": "GET /orders", "url": "#records", "icon": "cloud"},
    {"kind": "Raw record", "label": "5001, version 2", "url": "#records", "icon": "database"},
    {"kind": "Document", "label": "Invoice #1042", "url": "#records", "icon": "document", "current": True},
    {"kind": "Entry", "label": "JE-318", "url": "#records", "icon": "book"},
    {"kind": "Match", "label": "To approve", "icon": "reconcile"},
]
_PAYLOAD = {
    "id": 5001,
    "name": "#1042",
    "total_price": "108.50",
    "test": False,
    "customer": {"email": "ann@x.test"},
    "line_items": [{"title": "Mug", "quantity": 2, "price": "50.00"}],
    "note": None,
    "tags": [],
}


class SampleForm(forms.Form):
    """One field of every kind, one of them wrong."""

    CURRENCIES: ClassVar = [("USD", "USD, US dollar"), ("EUR", "EUR, euro"), ("JPY", "JPY, yen")]
    MODES: ClassVar = [
        ("shadow", "Shadow: post to a copy first"),
        ("live", "Live: post to the books"),
    ]

    name = forms.CharField(help_text="Shown in lists and on statements.")
    shop = forms.CharField(label="Shop address", help_text="The part before .myshopify.com.")
    currency = forms.ChoiceField(choices=CURRENCIES)
    start = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    amount = forms.DecimalField(label="Tolerance", required=False)
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))
    mode = forms.ChoiceField(choices=MODES, widget=forms.RadioSelect)
    notify = forms.BooleanField(label="Send an alert after the last retry", required=False)


def _form() -> SampleForm:
    form = SampleForm(
        {"name": "Corner Shop", "shop": "corner shop", "currency": "USD", "mode": "shadow", "notify": "on"}
    )
    form.add_error("shop", "A shop address has no spaces. Copy it from the address bar of your shop's admin.")
    return form


def _orders() -> list[dict[str, object]]:
    names = ("number", "name", "total", "currency", "state")
    newest = date(2026, 3, 5)
    return [
        {**dict(zip(names, row, strict=True)), "date": newest - timedelta(days=i), "pk": 42 - i}
        for i, row in enumerate(_ORDERS)
    ]


def _events() -> list[dict[str, object]]:
    now = timezone.now()
    rows = [
        ("succeeded", "Sync finished", "214 read, 3 need you.", 4, "", "#records"),
        ("retrying", "Shopify asked us to slow down", "Waited 8 seconds, then went on.", 6, "", ""),
        ("running", "Sync started", "", 7, "Mia Brandt", ""),
    ]
    return [
        {
            "state": state,
            "title": title,
            "text": text,
            "at": now - timedelta(minutes=ago),
            "who": who,
            "url": url,
        }
        for state, title, text, ago, who, url in rows
    ]


@register.simple_tag
def style_samples() -> SimpleNamespace:
    """Everything the style page shows."""
    return SimpleNamespace(
        form=_form(),
        orders=_orders(),
        page=Paginator(range(214), 25).page(3),
        lineage=_LINEAGE,
        events=_events(),
        now=timezone.now(),
        soon=timezone.now() + timedelta(minutes=12),
        days=_DAYS,
        volume=[("Posted", _POSTED), ("Need you", _FAILED)],
        balance=_BALANCE,
        failed=_FAILED,
        states=_STATES,
        tabs=_TABS,
        chips=_CHIPS,
        steps=_STEPS,
        facts=_FACTS,
        changes=_CHANGES,
        reasons=_REASONS,
        payload=_PAYLOAD,
    )
