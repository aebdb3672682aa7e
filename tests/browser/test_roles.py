"""What a viewer sees, and what an outsider does not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from integrations.models import Stream
from ledgerhub.access.models import Organization, Role
from ledgerhub.ledger.models import Account
from tests.browser import stage

pytestmark = pytest.mark.browser

ACTS = re.compile(
    "^(Approve|Reject|Create|Split|Find|Match now|Edit|Sync|Sync now|Set|Retry|Retry all|Dismiss|Settings"
    "|Save.*|New .*|Add .*|Upload.*|Undo.*|Publish.*|Map held.*|Go on editing)$"
)


def addresses(organization: Organization) -> list[str]:
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    orders = Stream.objects.get(
        integration__organization=organization, integration__connector="shopify", key="orders"
    )
    pages: list[tuple[str, list[int]]] = [
        ("reconciliation:workspace", [bank.pk]), ("reconciliation:accounts", []),
        ("integrations:integrations", []), ("integrations:integration", [orders.integration_id]),
        ("integrations:mapping", [orders.pk]), ("integrations:errors", []),
        ("ledger:accounts", []), ("ledger:journal", []), ("ledger:account", [bank.pk]),
    ]  # fmt: skip
    return [reverse(name, args=[organization.slug, *arguments]) for name, arguments in pages]


def test_a_viewer_is_offered_nothing_to_do(visit: Callable[..., Page], harbor: Organization) -> None:
    page = visit(stage.person(harbor, Role.VIEWER))
    offered = {}
    for address in addresses(harbor):
        page.goto(address)
        main = page.get_by_role("main")
        expect(main.get_by_role("heading", level=1)).to_be_visible()
        found = main.get_by_role("button", name=ACTS).or_(main.get_by_role("link", name=ACTS))
        offered[address] = found.all_inner_texts()
    assert offered == {address: [] for address in offered}


def test_an_outsider_finds_nothing(visit: Callable[..., Page], harbor: Organization) -> None:
    page = visit(stage.person(stage.found("Elsewhere"), Role.ADMIN))
    for address in addresses(harbor):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 404
        assert harbor.name not in page.get_by_role("main").inner_text()
