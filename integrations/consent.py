"""Consent: what came back from the other side with it, until when it holds, which account it is good for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.utils import timezone

from integrations import owners, registry
from integrations.calls import Tested
from integrations.connection import Offered, connect
from integrations.models import Integration
from integrations.oauth import consent_until
from integrations.records import dig
from integrations.spec import Accounts, OAuth2
from ledgerhub.core.errors import ConfigError

WARNING = dt.timedelta(days=14)


def noted(integration: Integration, tested: Tested) -> str:
    """Keep until when the system says the consent holds, and whose account it is; gives its words. Raises
    ConfigError where that is another one's than the integration is of."""
    spec = registry.connector(integration)
    if spec.test is not None and spec.test.consent_until:
        integration.consent_until = tested.consent_until
        Integration.objects.filter(pk=integration.pk).update(consent_until=tested.consent_until)
    owners.remember(integration, tested.owner)
    return tested.words


class Choice(NamedTuple):
    """One account the consent is good for."""

    id: str
    name: str


def told(auth: OAuth2, came_back: Mapping[str, str]) -> dict[str, str]:
    """The settings that the way back says."""
    return {setting: came_back[name][:200] for name, setting in auth.captures.items() if came_back.get(name)}


def given(integration: Integration, auth: OAuth2, came_back: Mapping[str, str]) -> None:
    """A person agreed: keep what the way back said, and until when the consent holds. What was handed to a
    person before is not asked with any more."""
    integration.settings = {**integration.settings, **told(auth, came_back)}
    integration.secrets.filter(name=auth.given).delete()
    integration.consented_at = timezone.now()
    integration.consent_until = consent_until(auth, integration.consented_at, integration.consented_at)
    integration.save(update_fields=["settings", "consented_at", "consent_until"])


def ends_soon(integration: Integration) -> str:
    """In words, when the consent has ended or will within two weeks; empty otherwise."""
    until, now = integration.consent_until, timezone.now()
    if until is None or until > now + WARNING:
        return ""
    day = f"{until.astimezone(integration.organization.zone):%Y-%m-%d}"
    label = registry.connector(integration).label
    if until <= now:
        return f"The consent given at {label} ended on {day}: connect again."
    return f"The consent given at {label} ends on {day}: connect again before then."


def choices(
    integration: Integration, accounts: Accounts, *, patience: float, offered: Offered | None = None
) -> list[Choice]:
    """The accounts a consent is good for, as the system lists them; some name the one there is."""
    client, calls = connect(integration, purpose="accounts", patience=patience, offered=offered)
    try:
        with client:
            found: Any = client.ask(accounts.read, purpose="accounts")
    finally:
        calls.save()
    there = dig(found, str(accounts.read.records))
    rows = [there] if isinstance(there, dict) else there
    if not isinstance(rows, list):
        raise ConfigError("The system sent no list of accounts to choose from.")
    named = [Choice(str(dig(row, accounts.id) or ""), _name(row, accounts)) for row in rows]
    return [choice for choice in named if choice.id]


def _name(row: Any, accounts: Accounts) -> str:
    detail = dig(row, accounts.detail) if accounts.detail else ""
    return f"{dig(row, accounts.name) or ''} {detail or ''}".strip()


def chosen(accounts: Accounts, before: Any, found: Sequence[Choice]) -> str:
    """The one from before, or the only one there is; none where a person must choose."""
    ids = [choice.id for choice in found]
    return str(before) if before in ids else ids[0] if len(ids) == 1 else ""


def choose(integration: Integration, accounts: Accounts, chosen: str) -> None:
    integration.settings = {**integration.settings, accounts.setting: chosen}
    integration.save(update_fields=["settings"])
