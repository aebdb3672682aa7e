"""Notes on lines: a thread with who and when, questions that wait, found by search, carried over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account
from reconciliation import notes, sweep
from reconciliation.models import LineNote, NoteMention
from tests.factories import make_user
from tests.jobs import drain
from tests.reconciliation.factories import account, make_bank, make_line

SignedIn = Callable[[User], Client]


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def url(*args: Any) -> str:
    return reverse("reconciliation:notes", args=["corner-shop", *args])


def test_a_question_waits_until_somebody_answers(
    bank: Account, bookkeeper: User, approver: User, signed_in: SignedIn
) -> None:
    line, other = make_line(bank, 500), make_line(bank, 700)
    signed_in(bookkeeper).post(url(bank.pk, line.pk), {"note": " What is this? ", "question": "1"})
    assert [note.line for note in notes.asked()] == [line]
    signed_in(approver).post(url(bank.pk, line.pk), {"note": "The boat"})
    assert list(notes.asked()) == []
    told = [(note.text, note.question, note.by) for note in notes.of([line, other])[line.pk]]
    assert told == [("What is this?", True, bookkeeper), ("The boat", False, approver)]
    event = AuditEvent.objects.filter(action="statement_line.noted").order_by("pk")[0]
    assert (event.actor, event.after) == (bookkeeper, {"note": "What is this?", "question": True})


def test_htmx_gets_the_thread(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    line = make_line(bank, 500)
    answer = signed_in(bookkeeper).post(
        url(bank.pk, line.pk), {"note": "<b>Ann</b>"}, headers={"HX-Request": "true"}
    )
    text = answer.content.decode()
    assert f'id="notes-{line.pk}"' in text
    assert "&lt;b&gt;Ann&lt;/b&gt;" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [("x" * 501, "A note has at most 500 characters."), (" \0 ", "Write something first.")],
)
def test_what_cannot_be_kept_is_said(
    bank: Account, bookkeeper: User, signed_in: SignedIn, text: str, words: str
) -> None:
    line = make_line(bank, 500)
    response = signed_in(bookkeeper).post(url(bank.pk, line.pk), {"note": text})
    assert [str(each) for each in get_messages(response.wsgi_request)] == [f"{words} Nothing was saved."]
    assert LineNote.objects.count() == 0


# ── people who are named ──────────────────────────────────────────────────────────────────────────────


def say(client: Client, bank: Account, text: str) -> list[str]:
    line = make_line(bank, 500, description="BOAT YARD")
    response = client.post(url(bank.pk, line.pk), {"note": text})
    return [str(each) for each in get_messages(response.wsgi_request)]


def test_who_is_named_is_told_once_and_shown(
    bank: Account, organization: Organization, bookkeeper: User, signed_in: SignedIn
) -> None:
    ann = make_user(email="ann.lee@example.com", name="Ann Lee", organization=organization)
    other = make_user(email="cal@example.com", name="Cal Dahl", organization=organization)
    client = signed_in(bookkeeper)
    say(client, bank, "@ann lee, is this yours or @cal's? Mail me@example.com, not @Ann Lee again")
    drain()
    assert sorted(message.to[0] for message in mail.outbox) == [ann.email, other.email]
    line = LineNote.objects.get().line
    page = reverse("reconciliation:line", args=["corner-shop", bank.pk, line.pk])
    assert (page in mail.outbox[0].body, "is this yours" in mail.outbox[0].body) == (True, True)
    shown = client.get(page).content.decode()
    assert '?q=ann.lee%40example.com" title="Ann Lee">@ann lee</a>, is this' in shown
    assert 'title="Cal Dahl">@cal</a>' in shown
    sweep.sweep()
    drain()
    assert len(mail.outbox) == 2


def test_a_lost_task_is_taken_up_and_own_words_are_not_told(
    bank: Account, bookkeeper: User, organization: Organization, signed_in: SignedIn
) -> None:
    make_user(email="ann@example.net", name="Ann Lee", organization=organization)
    say(signed_in(bookkeeper), bank, f"@{bookkeeper.email} and @Ann Lee")
    OrmQ.objects.all().delete()
    LineNote.objects.update(at=timezone.now() - dt.timedelta(minutes=5))
    sweep.sweep()
    drain()
    assert [message.to for message in mail.outbox] == [["ann@example.net"]]


def test_who_has_no_access_is_refused_in_words(
    bank: Account, organization: Organization, bookkeeper: User, outsider: User, signed_in: SignedIn
) -> None:
    client = signed_in(bookkeeper)
    [told] = say(client, bank, f"Ask @{outsider.email} about it")
    assert told.startswith(f"“@{outsider.email}” has no access to these books")
    for name in ("Ann Lee", "Ann Poe"):
        make_user(name=name, organization=organization)
    assert say(client, bank, "@Ann?")[-1:] == [
        "“@Ann” may be several people: write @Ann Lee or @Ann Poe. Nothing was saved."
    ]
    gone = make_user(name="Cy Orr", organization=organization, is_active=False)
    assert gone.email not in str(say(client, bank, "@Cy Orr"))
    assert (LineNote.objects.count(), NoteMention.objects.count(), mail.outbox) == (0, 0, [])


def test_who_left_meanwhile_is_not_told(
    bank: Account, organization: Organization, bookkeeper: User, signed_in: SignedIn
) -> None:
    ann = make_user(name="Ann Lee", organization=organization)
    say(signed_in(bookkeeper), bank, "@Ann Lee, look")
    ann.memberships.all().delete()
    drain()
    assert mail.outbox == []
