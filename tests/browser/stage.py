"""Setting the scene in the installation the browser tests drive: organizations, people, integrations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from integrations import connectors, register, sync
from integrations.models import Integration, Quarantine, Stream, SyncRun
from integrations.register import Choice
from integrations.sandbox.catalog import SYSTEMS
from ledgerhub.access.models import Organization, Role, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Posting
from reconciliation import runs
from reconciliation.models import MatchRun
from tests.access.codes import give_second_factor
from tests.factories import make_organization, make_user, sign_in
from tests.processes import wait_until

_numbers = count(1)


def found(name: str) -> Organization:
    """An organization with the default chart of accounts and nothing in its books."""
    organization = make_organization(name=name)
    install_chart(organization)
    return organization


def person(organization: Organization | None, role: Role = Role.ADMIN) -> User:
    """Somebody with a second factor, as this installation demands it."""
    number = next(_numbers)
    user = make_user(
        email=f"{role.value}{number}@example.com",
        name=f"{role.label} {number}",
        organization=organization,
        role=role,
    )
    give_second_factor(user)
    return user


def session_cookie(user: User) -> str:
    """The session of a person who has signed in."""
    client = sign_in(Client(), user)
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def connect(
    organization: Organization, sandbox: str, key: str, *, streams: Sequence[str] = (), synced: bool = True
) -> Integration:
    """A system of the sandbox with its streams live, and where `synced` its first syncs over."""
    system = SYSTEMS[key]
    integration = register.create(
        organization,
        key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": sandbox + system.base},
        bank_account=Account.objects.get(organization=organization, role="bank", qualifier=""),
    )
    chosen = streams or [stream.key for stream in connectors.get(key).streams]
    register.activate(integration, [Choice(stream) for stream in chosen])
    if synced:
        wait_for_syncs(organization)
    return integration


def wait_for_syncs(organization: Organization, *, seconds: float = 60) -> None:
    """Until the job cluster has no sync of this organization left to do; all of them succeeded."""
    runs = SyncRun.objects.filter(stream__integration__organization=organization)
    wait_until(
        lambda: runs.exists() and not runs.filter(state__in=SyncRun.OPEN).exists(),
        seconds=seconds,
        what=f"the syncs of {organization} are over",
    )
    assert [run.error for run in runs.exclude(state=SyncRun.State.SUCCEEDED)] == []


def match_bank(organization: Organization) -> None:
    """A pass of the matching engine over the checking account, done by the job cluster."""
    run = runs.request_run(Account.objects.get(organization=organization, role="bank", qualifier=""))
    done = MatchRun.objects.filter(pk=run.pk, state=MatchRun.State.DONE)
    wait_until(done.exists, seconds=60, what="the bank lines are matched")


def spoil_a_charge(organization: Organization, sandbox: str) -> Quarantine:
    """Stripe says its newest charge was settled in euros, of which we have no rate: it is kept apart."""
    tell_sandbox(
        sandbox, "POST", "/faults", system="stripe", kind="malformed", path="/v1/charges",
        field="balance_transaction.currency", value="eur",
    )  # fmt: skip
    sync_now(organization, "charges")
    return Quarantine.objects.get(stream__integration__organization=organization, stream__key="charges")


def draft_a_mapping(organization: Organization) -> None:
    """Somebody begins to edit how Shopify's orders are mapped."""
    stream = Stream.objects.get(
        integration__organization=organization, integration__connector="shopify", key="orders"
    )
    client = sign_in(Client(), person(organization, Role.BOOKKEEPER))
    answer = client.post(reverse("integrations:mapping_drafts", args=[organization.slug, stream.pk]))
    assert answer.status_code == 302


def sync_now(organization: Organization, stream: str) -> SyncRun:
    """One more sync of a Stripe stream, to its end."""
    run = sync.request_run(
        Stream.objects.get(
            integration__organization=organization, integration__connector="stripe", key=stream
        ),
        trigger="person",
    )
    wait_for_syncs(organization)
    run.refresh_from_db()
    return run


def balances(organization: Organization) -> dict[str, int]:
    """Account `role[:qualifier]` -> base balance in minor units, zeros left out."""
    rows = (
        Posting.objects.filter(organization=organization)
        .values_list("account__role", "account__qualifier")
        .annotate(total=Sum("base_amount"))
    )
    return {f"{role}:{qualifier}" if qualifier else role: total for role, qualifier, total in rows if total}


def tell_sandbox(sandbox: str, method: str, control: str, /, **data: Any) -> dict[str, Any]:
    """One of the sandbox's own controls (integrations/sandbox/control.py)."""
    connection = HTTPConnection(urlsplit(sandbox).netloc, timeout=10)
    try:
        connection.request(method, f"/_control{control}", json.dumps(data) if data else None)
        answer: dict[str, Any] = json.load(connection.getresponse())
    finally:
        connection.close()
    assert "error" not in answer, answer["error"]
    return answer
