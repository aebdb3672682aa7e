"""One running installation and one Chromium for all browser tests; what the console says fails a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    expect,
    sync_playwright,
)
from pytest_django import DjangoDbBlocker

from integrations.management.commands.demo import SLUG as DEMO_SLUG
from integrations.sandbox.business import simulate
from integrations.sandbox.events import Business
from ledgerhub.access.models import Organization, Role, User
from tests.browser import stage
from tests.processes import Installation, answers, free_port, wait_until
from tests.tables import installation

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
AS_IN_USE = {
    "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
    "DEBUG": "false",
    "LEDGERHUB_DEMO": "true",
    "REQUIRE_MFA": "true",
}
PATIENCE_MS = 30_000


@dataclass
class Site:
    """Where the installation answers, and where its sandbox does."""

    url: str
    sandbox: str
    installation: Installation


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """The whole product as `make run` starts it, with a second factor demanded; its database is ours too."""
    home, sandbox = tmp_path_factory.mktemp("site"), f"http://127.0.0.1:{free_port()}"
    switches = {**AS_IN_USE, "SANDBOX_URL": sandbox}
    with installation(home, **switches) as made, _database(home, django_db_blocker):
        made.run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")
        made.run("manage.py", "demo")
        made.supervise()
        wait_until(lambda: answers(made.port), seconds=60, what="the web server answers")
        stage.wait_for_syncs(Organization.objects.get(slug=DEMO_SLUG))
        yield Site(f"http://127.0.0.1:{made.port}", sandbox, made)


@pytest.fixture(scope="session")
def harbor(site: Site) -> Organization:
    """The demo's organization: synced, bank lines matched, a record in quarantine, a mapping drafted."""
    organization = Organization.objects.get(slug=DEMO_SLUG)
    stage.match_bank(organization)
    stage.spoil_a_charge(organization, site.sandbox)
    stage.draft_a_mapping(organization)
    return organization


@pytest.fixture(scope="session")
def owner(harbor: Organization) -> User:
    """An administrator of the demo's organization."""
    return stage.person(harbor, Role.ADMIN)


@pytest.fixture(scope="session")
def business() -> Business:
    """The simulated business the sandbox serves."""
    return simulate()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on this machine (make browser installs it)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield started
        started.close()


@dataclass
class Visitors:
    """Opens browsers of people; collects what their consoles complain about."""

    browser: Browser
    site: Site
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, user: User | None = None, **options: object) -> Page:
        """A page of a browser of its own; signed in where a user is given."""
        context = self.browser.new_context(base_url=self.site.url, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        if user is not None:
            cookie = {"name": "sessionid", "value": stage.session_cookie(user), "url": self.site.url}
            context.add_cookies([cookie])  # type: ignore[list-item]
        self.contexts.append(context)
        page = context.new_page()
        self._listen(page)
        return page

    def _listen(self, page: Page) -> None:
        def on_console(message: ConsoleMessage) -> None:
            refused = "status of 4" in message.text or "Status Error Code 4" in message.text
            # htmx says so of a request that a newer one of the same form has replaced.
            replaced = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
            if message.type in ("error", "warning") and not refused and not replaced:
                self.complaints.append(f"{page.url}: {message.text}")

        def on_response(response: Response) -> None:
            if response.status >= 500:
                self.complaints.append(f"{response.url}: answered {response.status}")

        page.on("console", on_console)
        page.on("response", on_response)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def close(self) -> None:
        for context in self.contexts:
            context.close()


@pytest.fixture
def visitors(browser: Browser, site: Site) -> Iterator[Visitors]:
    made = Visitors(browser, site)
    yield made
    made.close()
    assert made.complaints == []


@pytest.fixture
def visit(visitors: Visitors) -> Callable[..., Page]:
    """`visit(user)`: a page in a browser in which that person has signed in."""
    return visitors.open


@contextmanager
def _database(home: Path, blocker: DjangoDbBlocker) -> Iterator[None]:
    """Our own queries go to the installation's database, also while Playwright's event loop runs."""
    database = connection.settings_dict
    before, database["NAME"] = database["NAME"], str(home / "ledgerhub.sqlite3")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    blocker.unblock()
    try:
        yield
    finally:
        connection.close()
        blocker.restore()
        database["NAME"] = before
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
