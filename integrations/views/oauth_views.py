"""Connecting by consent: the person signs in at the other side, which sends them back with a code."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from integrations import alerts, consent, linking, oauth, owners, register, registry
from integrations.connection import Offered, TokenRow, connect, secrets_of
from integrations.models import Integration
from integrations.oauth import MemoryTokenStore, Token
from integrations.spec import Accounts, HostedLink, OAuth2
from integrations.views.lookup import find_integration
from integrations.views.wizard import by_consent, waits_for_consent
from ledgerhub.access.audit import record
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import LedgerHubError

SESSION = "oauth"
LONGEST = 15 * 60  # seconds a person may take at the other side


def redirect_uri(request: OrgRequest) -> str:
    """The one address to enter at the vendor's; the same for every integration of the organization."""
    return str(settings.PUBLIC_URL) + reverse("integrations:oauth_return", args=[request.organization.slug])


@require_safe
@member("admin")
def oauth_consent(request: OrgRequest, pk: int) -> HttpResponse:
    """Before leaving: where one goes and what is asked for there. A page and a link, because a form may
    not lead to another site."""
    integration = find_integration(request, pk)
    spec = registry.connector(integration)
    if not isinstance(spec.auth, OAuth2 | HostedLink) or not by_consent(integration):
        raise Http404("This system is not connected by consent.")
    try:
        url = _begun(request, integration, spec.auth)
    except LedgerHubError as error:
        messages.error(request, str(error))
        return redirect("integrations:integration", request.organization.slug, integration.pk)
    context = {
        "integration": integration,
        "spec": spec,
        "url": url,
        "scopes": spec.auth.scopes,
        "redirect_uri": redirect_uri(request) if isinstance(spec.auth, OAuth2) else "",
    }
    return render(request, "integrations/integration_consent.html", context)


def _begun(request: OrgRequest, integration: Integration, auth: OAuth2 | HostedLink) -> str:
    """The address to send the person to; what must be known when they are back is in their session."""
    back = redirect_uri(request)
    if isinstance(auth, HostedLink):
        visit = linking.begin(integration, auth, return_url=back, patience=register.PAGE_PATIENCE)
        _remember(request, integration, visit.state, link=visit.link, renewed=visit.renewed)
        return visit.url
    spec = registry.connector(integration)
    values = spec.with_defaults({**integration.settings, **secrets_of(integration)})
    begun = oauth.begin(auth, values, redirect_uri=back)
    _remember(request, integration, begun.state, verifier=begun.verifier)
    return begun.url


def _remember(request: OrgRequest, integration: Integration, state: str, **more: Any) -> None:
    request.session[SESSION] = {
        "integration": integration.pk,
        "organization": request.organization.pk,
        "state": state,
        "at": time.time(),
        **more,
    }


@require_safe
@member("admin")
def oauth_return(request: OrgRequest) -> HttpResponse:
    """The person is back: the code is good once, for the one integration the state was made for."""
    slug = request.organization.slug
    begun = request.session.pop(SESSION, None)
    if not _is_ours(request, begun):
        messages.error(request, "This answer does not belong to a connection you began here. Begin again.")
        return redirect("integrations:integrations", slug)
    integration = find_integration(request, begun["integration"])
    try:
        _finish(request, integration, begun)
    except LedgerHubError as error:
        messages.error(request, str(error))
    if _must_choose(integration):
        return redirect("integrations:oauth_account", slug, integration.pk)
    draft = integration.state == Integration.State.DRAFT
    return redirect(
        "integrations:setup_connection" if draft else "integrations:integration", slug, integration.pk
    )


def _is_ours(request: OrgRequest, begun: dict[str, Any] | None) -> bool:
    if begun is None or begun["organization"] != request.organization.pk:
        return False
    in_time = time.time() - begun["at"] < LONGEST
    return in_time and secrets.compare_digest(begun["state"].encode(), request.GET.get("state", "").encode())


def _finish(request: OrgRequest, integration: Integration, begun: dict[str, Any]) -> None:
    """Change the code for a token, keep it, and see that it works."""
    spec = registry.connector(integration)
    auth = spec.auth
    if isinstance(auth, HostedLink):
        _finish_visit(request, integration, auth, begun)
        return
    if not isinstance(auth, OAuth2):
        raise Http404("This system is not connected by consent.")
    code = request.GET.get(auth.code_param, "")
    if not code:
        said = request.GET.get("error_description") or request.GET.get("error") or "no reason was given"
        messages.error(request, f"{spec.label} did not give access: {said[:200]}.")
        return
    client, calls = connect(integration, purpose="connect", patience=register.PAGE_PATIENCE)
    try:
        with client:
            token = client.exchange_code(code, redirect_uri=redirect_uri(request), verifier=begun["verifier"])
    finally:
        calls.save()
    _verify(integration, auth, token, request.GET)
    with transaction.atomic():
        TokenRow(integration).store(token)
        consent.given(integration, auth, request.GET)
        record(request, "integration.connected", integration, after={"scope": token.scope})
    if auth.accounts and not _chosen(request, integration, auth.accounts):
        return
    _say_test(request, integration)


def _verify(integration: Integration, auth: OAuth2, token: Token, came_back: Mapping[str, str]) -> None:
    """See that the new token is good for the account that was read before, ere it is kept."""
    if not owners.is_bound(integration):
        return
    settings = {**integration.settings, **consent.told(auth, came_back)}
    offered = Offered(settings, secrets_of(integration), MemoryTokenStore(token))
    if auth.accounts:
        found = consent.choices(integration, auth.accounts, patience=register.PAGE_PATIENCE, offered=offered)
        account = consent.chosen(auth.accounts, settings.get(auth.accounts.setting), found)
        if not account:
            return  # a person chooses one of several, and that one is looked at
        settings[auth.accounts.setting] = account
    owners.check(integration, offered, patience=register.PAGE_PATIENCE)


def _finish_visit(
    request: OrgRequest, integration: Integration, auth: HostedLink, begun: dict[str, Any]
) -> None:
    """Ask what the person did on the system's page, and see that it works."""
    problem = linking.finish(
        integration, auth, link=begun["link"], renewed=begun["renewed"], patience=register.PAGE_PATIENCE
    )
    if problem:
        messages.error(request, problem)
        return
    record(request, "integration.connected", integration, after={"scope": " ".join(auth.scopes)})
    if auth.accounts and not _chosen(request, integration, auth.accounts):
        return
    _say_test(request, integration)


def _say_test(request: OrgRequest, integration: Integration) -> None:
    works, words = register.test_connection(integration)
    if works:
        alerts.recover(integration, key=alerts.consent_key(integration))
        alerts.restore(integration)
        messages.success(request, words)
    else:
        messages.error(request, words)


# ── which account ───────────────────────────────────────────────────────────────────────────────────


def _accounts(integration: Integration) -> Accounts | None:
    auth = registry.connector(integration).auth
    return auth.accounts if isinstance(auth, OAuth2 | HostedLink) else None


def _must_choose(integration: Integration) -> bool:
    accounts = _accounts(integration)
    if accounts is None or waits_for_consent(integration):
        return False
    return not integration.settings.get(accounts.setting)


def _chosen(request: OrgRequest, integration: Integration, accounts: Accounts) -> bool:
    """Whether an account is chosen: the one from before, or the only one there is."""
    found = consent.choices(integration, accounts, patience=register.PAGE_PATIENCE)
    account = consent.chosen(accounts, integration.settings.get(accounts.setting), found)
    if account != integration.settings.get(accounts.setting):
        consent.choose(integration, accounts, account)
    return bool(account)


@require_http_methods(["GET", "HEAD", "POST"])
@member("admin")
def oauth_account(request: OrgRequest, pk: int) -> HttpResponse:
    """Which of the accounts that the consent is good for this integration is of."""
    integration = find_integration(request, pk)
    accounts = _accounts(integration)
    if accounts is None:
        raise Http404("This system has one account a consent.")
    try:
        found = consent.choices(integration, accounts, patience=register.PAGE_PATIENCE)
    except LedgerHubError as error:
        messages.error(request, str(error))
        return redirect("integrations:integration", request.organization.slug, integration.pk)
    chosen, problem = request.POST.get("account", ""), ""
    if request.method == "POST":
        problem = _problem_with(integration, accounts, chosen, found)
    if request.method == "POST" and not problem:
        before = integration.settings.get(accounts.setting, "")
        with transaction.atomic():
            consent.choose(integration, accounts, chosen)
            record(
                request, "integration.account_chosen", integration,
                before={"account": before}, after={"account": chosen},
            )  # fmt: skip
        _say_test(request, integration)
        draft = integration.state == Integration.State.DRAFT
        name = "integrations:setup_connection" if draft else "integrations:integration"
        return redirect(name, request.organization.slug, integration.pk)
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "accounts": accounts,
        "choices": found,
        "chosen": chosen or integration.settings.get(accounts.setting, ""),
        "problem": problem,
    }
    return render(request, "integrations/integration_account.html", context)


def _problem_with(
    integration: Integration, accounts: Accounts, chosen: str, found: Sequence[consent.Choice]
) -> str:
    """Why that account cannot be the one, in words."""
    if chosen not in {choice.id for choice in found}:
        return "Choose one of the list."
    settings = {**integration.settings, accounts.setting: chosen}
    offered = Offered(settings, secrets_of(integration))
    try:
        owners.check(integration, offered, patience=register.PAGE_PATIENCE)
    except LedgerHubError as error:
        return str(error)
    return ""
