"""Hosted pages: a person signs in on a page that the system makes for one visit, and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from authlib.common.security import generate_token
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integrations import owners
from integrations.connection import Offered, connect, secrets_of
from integrations.models import Integration, Secret
from integrations.records import dig
from integrations.requesting import LOOPBACK, host_of
from integrations.spec import HostedLink, Read
from ledgerhub.core.errors import ConfigError


class Visit(NamedTuple):
    """A page that waits for a person: where it is, and what is kept in their session until they are back."""

    url: str
    link: str
    state: str
    renewed: bool


def begin(integration: Integration, auth: HostedLink, *, return_url: str, patience: float) -> Visit:
    """Have the page made. Where the access is there already, the person only signs in again."""
    state = generate_token(43)
    renewed = is_linked(integration, auth)
    values = {
        "return_url": f"{return_url}?state={state}",
        "webhook_url": f"{settings.PUBLIC_URL}/hooks/{integration.webhook_token}/",
        "visitor": f"organization-{integration.organization_id}",
    }
    answer = _ask(integration, auth.renew if renewed else auth.begin, values, patience=patience)
    url, link = dig(answer, auth.url), dig(answer, auth.link)
    if not isinstance(url, str) or not isinstance(link, str) or not link or not _leads_out(url):
        raise ConfigError("The system gave no page to go to. Try again; tell its support if it stays.")
    return Visit(url, link, state, renewed)


def finish(integration: Integration, auth: HostedLink, *, link: str, renewed: bool, patience: float) -> str:
    """What came of the visit: keeps the access that was given. Gives why there is none, "" where it works."""
    came = auth.outcome(_ask(integration, auth.finish, {"link": link}, patience=patience))
    if came.problem:
        return came.problem
    if not came.code:
        return "" if renewed else "No access was given on the page. Begin again when you are ready."
    answer = _ask(integration, auth.exchange, {"code": came.code}, patience=patience)
    access = dig(answer, auth.access)
    if not isinstance(access, str) or not access:
        raise ConfigError("The system gave no access for the code. Connect again.")
    told = {name: str(value)[:200] for path, name in auth.captures.items() if (value := dig(answer, path))}
    offered = Offered({**integration.settings, **told}, {**secrets_of(integration), auth.secret: access})
    owners.check(integration, offered, patience=patience)
    _keep(integration, auth, access, told)
    return ""


@transaction.atomic
def _keep(integration: Integration, auth: HostedLink, access: str, told: Mapping[str, str]) -> None:
    """Another link has accounts of other ids: the one chosen before is chosen anew."""
    Secret.objects.update_or_create(integration=integration, name=auth.secret, defaults={"value": access})
    other = any(integration.settings.get(name) not in (None, "", value) for name, value in told.items())
    chosen = {auth.accounts.setting: ""} if auth.accounts and other else {}
    integration.settings = {**integration.settings, **told, **chosen}
    integration.consented_at = timezone.now()
    integration.save(update_fields=["settings", "consented_at"])


def is_linked(integration: Integration, auth: HostedLink) -> bool:
    return integration.secrets.filter(name=auth.secret).exclude(value="").exists()


def _leads_out(url: str) -> bool:
    """Whether a person may be sent there: https, or the demo on this machine."""
    local = settings.ALLOW_LOOPBACK_INTEGRATIONS and host_of(url) in LOOPBACK
    return url.startswith("https://") or (local and url.startswith("http://"))


def _ask(integration: Integration, read: Read, values: Mapping[str, str], *, patience: float) -> Any:
    client, calls = connect(integration, purpose="connect", patience=patience)
    try:
        with client:
            return client.ask(read, values, purpose="connect")
    finally:
        calls.save()
