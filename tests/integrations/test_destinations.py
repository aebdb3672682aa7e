"""The contract of destinations, by spec and simulated system alone: each document once, whatever fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from integrations import redelivery
from integrations.client import Client
from integrations.connection import TokenRow
from integrations.connectors import CONNECTORS
from integrations.models import ApiCall, Delivery, Incident, NameMap
from integrations.spec import OAuth2
from ledgerhub.access.models import Organization
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, Document
from tests.integrations.comparing_there import compare, differences
from tests.integrations.delivering import deliver, sale
from tests.integrations.receiving import Stand, drafts, standing
from tests.ledger.drafts import DAY, tender

pytestmark = pytest.mark.django_db
RECEIVING = [key for key, connector in CONNECTORS.items() if connector.destination]


@pytest.fixture(params=RECEIVING)
def stand(
    request: Any, organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    with standing(request.param, organization, settings, monkeypatch) as made:
        yield made


def few(stand: Stand, name: str) -> list[Draft]:
    """Two documents of the first kind it takes, of a contact nobody knows yet."""
    kind = stand.takes.takes[0].kind
    both = [next(one for one in drafts(f"{name}{half}") if one["kind"] == kind) for half in "ab"]
    return [{**one, "customer": both[0].get("customer")} for one in both]


def test_every_kind_arrives_once(stand: Stand) -> None:
    stand.book(drafts("1"))
    assert set(deliver(stand.integration)) == {"delivered"}, stand.deliver_all()
    assert {row.kind for row in Delivery.objects.all()} == {one.kind for one in stand.takes.takes}
    assert stand.there() == stand.sent()
    assert all(Delivery.objects.values_list("external_id", flat=True))
    before = stand.calls()
    deliver(stand.integration)
    assert stand.calls() == before, "nothing is left to ask for"


def test_every_kind_is_found_again_by_whoever_takes_over(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each first write is done, and its answer dies with the worker."""
    written: set[str] = set()
    write = Client.write

    def die(client: Client, request: Any, *, key: str) -> Any:
        answer = write(client, request, key=key)
        if key not in written:
            written.add(key)
            raise SystemExit("killed")
        return answer

    monkeypatch.setattr(Client, "write", die)
    stand.book(drafts("1"))
    for _ in range(40):
        try:
            if set(deliver(stand.integration, later=True)) == {"delivered"}:
                break
        except SystemExit:
            continue
    assert stand.deliver_all() == []
    assert stand.there() == stand.sent()
    assert Delivery.objects.filter(adopted=True).count() == Delivery.objects.count()


@pytest.mark.parametrize("fault", ["done", "not done", "busy"])
def test_trouble_at_any_request(stand: Stand, fault: str) -> None:
    """The answer is lost after the deed or before it, or we come too often: each arrives once."""
    how = {
        "done": {"kind": "truncated"},
        "not done": {"kind": "status", "status": 502},
        "busy": {"kind": "status", "status": 429, "retry_after": "0"},
    }[fault]
    before = stand.calls()
    stand.book(few(stand, "first"))
    assert stand.deliver_all() == []
    for number in range(stand.calls() - before):
        stand.book(few(stand, f"{number}"))
        stand.fail(skip=number, **how)
        assert stand.deliver_all() == []
        stand.mend()
    assert stand.there() == stand.sent()
    if fault == "busy":
        assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_asked_to_wait_long_nothing_is_sent_or_counted(stand: Stand) -> None:
    stand.book(few(stand, "1"))
    stand.fail("status", status=429, retry_after="3600", count=-1)
    deliver(stand.integration)
    rows = Delivery.objects.all()
    assert {(row.state, row.attempts) for row in rows} == {("planned", 0)}
    assert max(row.not_before for row in rows if row.not_before) - rows[0].created_at > dt.timedelta(
        minutes=59
    )
    before = stand.calls()
    deliver(stand.integration)
    assert stand.calls() == before, "not before its time"
    stand.mend()
    assert stand.deliver_all() == []
    assert stand.there() == stand.sent()


def test_a_token_that_ends_at_any_request_is_renewed(stand: Stand) -> None:
    if not isinstance(stand.connector.auth, OAuth2):
        pytest.skip("no tokens here")
    stand.book(few(stand, "before"))  # what is prepared once
    deliver(stand.integration)
    before = stand.calls()
    stand.book(few(stand, "first"))
    deliver(stand.integration)
    for number in range(stand.calls() - before):
        token = TokenRow(stand.integration).current()
        stand.book(few(stand, f"{number}"))
        stand.fail("status", status=401, skip=number)
        assert set(deliver(stand.integration)) == {"delivered"}
        assert TokenRow(stand.integration).current() != token
        stand.mend()
    assert stand.there() == stand.sent()
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_changes_meet_what_people_changed_there(stand: Stand) -> None:
    """The second change knows only the version before the first: it is read again, and made once."""
    stand.book(drafts("1"))
    deliver(stand.integration)
    stand.book(changed(1))
    assert stand.deliver_all() == []
    for row in Delivery.objects.filter(action="update"):
        first = Delivery.objects.get(document=row.document, revision=1)
        Delivery.objects.filter(pk=row.pk).update(external_version=first.external_version)
    stand.book(changed(2))
    assert stand.deliver_all() == []
    assert stand.there() == stand.sent()
    assert Delivery.objects.values("document").distinct().count() == len(stand.takes.takes)


def changed(days: int) -> list[Draft]:
    """All of them a little later, tenders and all."""
    later = DAY + dt.timedelta(days=days)
    rows = [{**one, "date": later} for one in drafts("1")]
    return [
        {**one, "tenders": [tender(one["total"], date=later, id="t1")]} if "tenders" in one else one
        for one in rows
    ]


def test_what_is_withdrawn_is_taken_back_or_said(stand: Stand) -> None:
    stand.book(drafts("1"))
    deliver(stand.integration)
    for each in Document.objects.all():
        documents.withdraw([each])
        posting.post_document(each, None)
    left = stand.deliver_all()
    kept = {one.kind for one in stand.takes.takes if one.void is None}
    assert {kind for kind, _ in left} == kept
    assert all(words.endswith(".") for _, words in left)
    standing_kinds = Delivery.objects.filter(action="create", reference__in=stand.there())
    assert set(standing_kinds.values_list("kind", flat=True)) == kept


def test_one_that_is_refused_says_why_and_the_others_arrive(stand: Stand) -> None:
    if not stand.takes.keeps_books:
        pytest.skip("it keeps no accounts that one could name wrongly")
    stand.book([sale(1000 + number, str(number)) for number in range(5)])
    odd = [{"external_id": "t9", "gateway": "paypal", "amount": 1009, "date": DAY}]
    stand.book([sale(1009, "9", tenders=odd), sale(1010, "10")])
    clearing = Account.objects.get(role="clearing", qualifier="paypal").code
    NameMap.objects.filter(ours=clearing).update(theirs="no-such-account")
    deliver(stand.integration)
    refused = Delivery.objects.get(state="failed")
    assert refused.document is not None
    assert refused.document.external_id == "9"
    assert len(refused.error) > 20
    assert refused.error[0].isupper()
    assert refused.error.endswith(".")
    assert Incident.objects.get(closed_at__isnull=True).message.endswith(refused.error)
    assert Delivery.objects.filter(state="delivered").count() == 6
    assert sum(stand.there().values()) == 6
    NameMap.objects.filter(ours=clearing).delete()
    stand.name_all()
    assert redelivery.retry([refused.pk], stand.integration) == 1
    assert stand.deliver_all() == []
    assert stand.there() == stand.sent()


def test_no_secret_in_calls_logs_or_words(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    before = TokenRow(stand.integration).current()
    stand.book(few(stand, "1"))
    stand.fail("status", status=401)
    stand.deliver_all()
    stand.mend()
    stand.book(few(stand, "2"))
    stand.fail("status", status=400, count=-1)
    deliver(stand.integration)
    kept = [
        caplog.text,
        repr(list(ApiCall.objects.values())),
        repr(list(Delivery.objects.values())),
        repr(list(Incident.objects.values())),
    ]
    assert ApiCall.objects.filter(status=400).exists()
    secrets = [*stand.system.secrets.values()]
    for token in (before, TokenRow(stand.integration).current()):
        secrets += [each for each in (token.access, token.refresh) if each] if token else []
    assert [secret for secret in secrets if any(secret in text for text in kept)] == []


def test_what_arrived_compares_as_the_same(stand: Stand) -> None:
    """Of every kind it takes: the day, the currency and each account there are those of our books."""
    if stand.takes.books is None:
        pytest.skip("what stands there cannot be seen")
    stand.book(drafts("1"))
    stand.deliver_all()
    row = compare(stand.integration)
    assert (row.state, differences(stand.integration)) == ("done", []), row.error
    assert row.checked == len(stand.takes.takes)
    assert Document.objects.count() == row.checked, "ours do not come back"
