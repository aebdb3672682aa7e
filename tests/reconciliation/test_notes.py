"""Notes on lines: a thread with who and when, questions that wait, found by search, carried over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account
from reconciliation import notes
from reconciliation.models import LineNote
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
