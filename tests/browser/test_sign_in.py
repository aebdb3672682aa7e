"""Signing in for the first time and ever after: password, authenticator app, recovery codes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from ledgerhub.access.models import AuditEvent, Role, User
from tests.access.codes import PERIOD, code_for, recovery_codes
from tests.browser import stage
from tests.browser.conftest import Site
from tests.factories import PASSWORD, make_user
from tests.processes import wait_until

pytestmark = pytest.mark.browser


def type_password(page: Page, user: User, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.get_by_label("You: ").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def fresh_code(secret: str, *, used: str) -> str:
    """A code that was not used yet: the app shows another one every half minute, we ask for the next."""
    wait_until(lambda: code_for(secret) != used, seconds=PERIOD + 1, what="the app shows a new code")
    return code_for(secret)


def test_two_step_sign_in(visit: Callable[..., Page], site: Site) -> None:
    organization = stage.found("Corner Shop")
    user = make_user(email="new@example.com", name="Nia New", organization=organization, role=Role.ADMIN)
    page = visit()
    page.goto("/")

    type_password(page, user, "not the password")
    expect(page.get_by_text("The e-mail address or the password is not right")).to_be_visible()
    type_password(page, user)
    expect(page.get_by_role("heading", name="Set up two-step sign-in")).to_be_visible()
    page.goto(f"/o/{organization.slug}/")
    expect(page.get_by_role("heading", name="Set up two-step sign-in")).to_be_visible()

    secret = page.locator("code").inner_text()
    page.get_by_label("Code from the app").fill("000000")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_text("That code is not right")).to_be_visible()
    assert page.locator("code").inner_text() == secret
    used = code_for(secret)
    page.get_by_label("Code from the app").fill(used)
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    shown = page.locator("main code").all_inner_texts()
    assert sorted(shown) == sorted(recovery_codes(user))
    page.get_by_role("link", name="I have kept them, go on").click()
    expect(page).to_have_url(f"{site.url}/o/{organization.slug}/")

    sign_out(page)
    type_password(page, user)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_label("Code from your authenticator app").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("That code is not right")).to_be_visible()
    page.get_by_label("Code from your authenticator app").fill(shown[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site.url}/o/{organization.slug}/")
    assert sorted(recovery_codes(user)) == sorted(shown[1:])

    sign_out(page)
    type_password(page, user)
    page.get_by_label("Code from your authenticator app").fill(fresh_code(secret, used=used))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site.url}/o/{organization.slug}/")

    page.goto(f"/o/{organization.slug}/")
    events = AuditEvent.objects.filter(actor=user).order_by("pk").values_list("action", flat=True)
    assert [event for event in events if event.startswith("sign_in")] == [
        "sign_in.succeeded", "sign_in.ended", "sign_in.succeeded", "sign_in.ended", "sign_in.succeeded",
    ]  # fmt: skip
