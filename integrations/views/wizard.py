"""Setting an integration up, step by step; the draft is a row, so that every step can be taken up later."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import connectors, overview, owners, previews, register, registry
from integrations.connection import TOKEN, Offered, secrets_of
from integrations.forms import IntegrationForm, StreamsForm
from integrations.models import Integration, Stream
from integrations.oauth import MemoryTokenStore
from integrations.spec import Connector, HostedLink, OAuth2
from integrations.views.lookup import find_draft
from ledgerhub.access.audit import record
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import LedgerHubError

_STEPS = (
    ("setup_settings", "Settings"),
    ("setup_connection", "Connection"),
    ("setup_streams", "What to read"),
    ("setup_preview", "Preview and go live"),
)


def steps(integration: Integration | None, current: str, spec: Connector) -> list[dict[str, str]]:
    """The wizard's steps for components/stepper.html; a system fed by files has no connection to test,
    one that only takes documents has nothing to read."""
    lacking = set() if spec.test is not None else {"setup_connection"}
    lacking |= set() if spec.streams else {"setup_streams", "setup_preview"}
    names = [(name, label) for name, label in _STEPS if name not in lacking]
    places = [name for name, _ in names]
    here = places.index(current)
    return [
        {
            "label": label,
            "state": "done" if place < here else "current" if place == here else "next",
            "url": _step_url(name, integration) if integration is not None else "",
        }
        for place, (name, label) in enumerate(names)
    ]


def _step_url(name: str, integration: Integration) -> str:
    return reverse(f"integrations:{name}", args=[integration.organization.slug, integration.pk])


@member("admin")
def new_integration(request: OrgRequest, connector: str) -> HttpResponse:
    """Step 1 for a new integration: nothing is kept before the form is right."""
    if connector not in connectors.CONNECTORS:
        raise Http404("There is no such connector.")
    spec = connectors.get(connector)
    form = IntegrationForm(
        request.POST if request.method == "POST" else None,
        organization=request.organization,
        spec=spec,
        integration=None,
    )
    if request.method == "POST" and form.is_valid():
        integration = _create(request, spec, form)
        return _after_settings(request, integration)
    return _settings_page(request, form, spec, None)


@member("admin")
def setup_settings(request: OrgRequest, pk: int) -> HttpResponse:
    """Step 1 again, for a draft."""
    integration = find_draft(request, pk)
    spec = registry.connector(integration)
    form = IntegrationForm(
        request.POST if request.method == "POST" else None,
        organization=request.organization,
        spec=spec,
        integration=integration,
    )
    if request.method == "POST" and form.is_valid() and keeps_account(integration, form):
        save_form(request, integration, form)
        return _after_settings(request, integration)
    return _settings_page(request, form, spec, integration)


def brings(spec: Connector) -> list[tuple[str, str]]:
    """What the connector's streams are, each with what it is for."""
    return [(stream.label, overview.purpose(stream)) for stream in spec.streams]


def _settings_page(
    request: OrgRequest, form: IntegrationForm, spec: Connector, integration: Integration | None
) -> HttpResponse:
    context = {
        "form": form,
        "spec": spec,
        "integration": integration,
        "brings": brings(spec),
        "steps": steps(integration, "setup_settings", spec),
    }
    return render(request, "integrations/wizard_settings.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _create(request: OrgRequest, spec: Connector, form: IntegrationForm) -> Integration:
    integration = register.create(
        request.organization,
        spec.key,
        name=form.cleaned_data["name"],
        settings=form.values(),
        bank_account=form.bank_account_for_use() if "bank_account" in form.fields else None,
        user=request.user,
    )
    after = {"name": integration.name, "connector": spec.key, "settings": integration.settings}
    record(request, "integration.created", integration, after=after)
    return integration


def keeps_account(integration: Integration, form: IntegrationForm) -> bool:
    """Whether what was typed is good for the account that was read before; else the form says why not.
    Where a person consented, their token is of that account, whatever else is typed."""
    typed = register.told_apart(form.values(), form.spec)
    same = form.spec.with_defaults(typed.settings) == form.spec.with_defaults(integration.settings)
    if same and not typed.secrets:
        return True
    given = getattr(form.spec.auth, "given", "")
    handed = not by_consent(integration) or given in typed.secrets
    if waits_for_consent(integration) and not handed:
        return True
    secrets = {**secrets_of(integration), **typed.secrets}
    offered = Offered(typed.settings, secrets, MemoryTokenStore() if handed else None)
    try:
        owners.check(integration, offered, patience=register.PAGE_PATIENCE, told=handed)
    except LedgerHubError as error:
        form.add_error(None, str(error))
    return form.is_valid()


@transaction.atomic
def save_form(request: OrgRequest, integration: Integration, form: IntegrationForm) -> None:
    """Name, settings, bank account and typed secrets; the trail says which secrets, never their values."""
    before = _settled(integration)
    integration.name = form.cleaned_data["name"]
    if "bank_account" in form.fields:
        integration.bank_account = form.bank_account_for_use()
    integration.save(update_fields=["name", "bank_account"])
    register.save_settings(integration, form.values(), spec=form.spec)
    typed = [
        setting.label
        for setting in form.spec.settings
        if setting.type == "secret" and form.values().get(setting.name)
    ]
    after = _settled(integration) | ({"replaced": typed} if typed else {})
    record(request, "integration.changed", integration, before=before, after=after)


def _settled(integration: Integration) -> dict[str, Any]:
    bank = integration.bank_account
    return {"name": integration.name, "bank_account": str(bank or ""), **integration.settings}


def _after_settings(request: OrgRequest, integration: Integration) -> HttpResponse:
    """Test at once, so that a wrong key is seen on the next page and not at night."""
    slug = request.organization.slug
    if not register.needs_connection(integration):
        return redirect("integrations:setup_streams", slug, integration.pk)
    if not waits_for_consent(integration):
        register.test_connection(integration)
    return redirect("integrations:setup_connection", slug, integration.pk)


def by_consent(integration: Integration) -> bool:
    """Whether the access is given by a person at the other side."""
    auth = registry.connector(integration).auth
    return isinstance(auth, HostedLink) or (isinstance(auth, OAuth2) and auth.grant == "authorization_code")


def waits_for_consent(integration: Integration) -> bool:
    """Whether a person must first sign in at the other side and allow the access."""
    auth = registry.connector(integration).auth
    kept = (auth.secret,) if isinstance(auth, HostedLink) else (TOKEN, getattr(auth, "given", ""))
    held = integration.secrets.filter(name__in=kept).exclude(value="")
    return by_consent(integration) and not held.exists()


@member("admin")
def setup_connection(request: OrgRequest, pk: int) -> HttpResponse:
    """Step 2: what the test call said; POST calls again."""
    integration = find_draft(request, pk)
    spec = registry.connector(integration)
    if request.method == "POST":
        register.test_connection(integration)
        return redirect("integrations:setup_connection", request.organization.slug, pk)
    context = {
        "integration": integration,
        "spec": spec,
        "steps": steps(integration, "setup_connection", spec),
        "waits_for_consent": waits_for_consent(integration),
        "by_consent": by_consent(integration),
        "works": integration.health == "ok",
    }
    return render(request, "integrations/wizard_connection.html", context)


@member("admin")
def setup_streams(request: OrgRequest, pk: int) -> HttpResponse:
    """Step 3: which streams, from when, how often, shadow or live."""
    integration = find_draft(request, pk)
    spec = registry.connector(integration)
    if not spec.streams:
        return redirect("integrations:setup_connection", request.organization.slug, pk)
    today = timezone.localdate(timezone=request.organization.zone)
    form = StreamsForm(
        request.POST if request.method == "POST" else None, integration=integration, today=today
    )
    if request.method == "POST" and form.is_valid():
        register.choose(integration, form.choices(), user=request.user)
        return redirect("integrations:setup_preview", request.organization.slug, pk)
    context = {
        "integration": integration,
        "spec": spec,
        "form": form,
        "steps": steps(integration, "setup_streams", spec),
    }
    return render(request, "integrations/wizard_streams.html", context, status=422 if form.errors else 200)


@require_safe
@member("admin")
def setup_preview(request: OrgRequest, pk: int) -> HttpResponse:
    """Step 4: real records of one stream beside what they would become; nothing is written."""
    integration = find_draft(request, pk)
    streams = list(integration.streams.filter(enabled=True).order_by("pk"))
    if not streams:
        return redirect("integrations:setup_streams", request.organization.slug, pk)
    spec = registry.connector(integration)
    fetched = [stream for stream in streams if spec.stream(stream.key).read is not None]
    shown = next((s for s in fetched if s.key == request.GET.get("stream")), fetched[0] if fetched else None)
    context: dict[str, Any] = {
        "integration": integration,
        "spec": spec,
        "steps": steps(integration, "setup_preview", spec),
        "tabs": [_tab(stream, spec, shown) for stream in fetched],
        "streams": [(stream, spec.stream(stream.key)) for stream in streams],
        "shown": spec.stream(shown.key) if shown else None,
        "live": any(stream.mode == Stream.Mode.LIVE for stream in streams),
    }
    if shown is not None:
        context |= _previewed(integration, shown)
    return render(request, "integrations/wizard_preview.html", context)


def _tab(stream: Stream, spec: Connector, shown: Stream | None) -> dict[str, Any]:
    return {
        "label": spec.stream(stream.key).label,
        "url": f"?stream={stream.key}",
        "active": shown is not None and stream.key == shown.key,
    }


def _previewed(integration: Integration, stream: Stream) -> dict[str, Any]:
    spec = registry.connector(integration).stream(stream.key)
    try:
        found = register.preview(integration, spec, since=stream.start_date)
    except LedgerHubError as error:
        return {"problem": str(error)}
    return {"records": previews.shown(integration.organization, found)}


@require_POST
@member("admin")
def activation(request: OrgRequest, pk: int) -> HttpResponse:
    """Go live: the streams that were chosen are synced from now on; what only takes documents takes them."""
    integration = find_draft(request, pk)
    streams = list(integration.streams.filter(enabled=True))
    reads = bool(registry.connector(integration).streams)
    if not reads and integration.health != "ok":
        messages.warning(request, "Test the connection first: it has to work.")
        return redirect("integrations:setup_connection", request.organization.slug, pk)
    if reads and not streams:
        messages.warning(request, "Choose first what is to be read.")
        return redirect("integrations:setup_streams", request.organization.slug, pk)
    with transaction.atomic():
        register.go_live(integration, streams, user=request.user)
        after = {stream.key: stream.mode for stream in streams}
        record(request, "integration.activated", integration, after=after)
    messages.success(request, _welcome(integration, streams))
    page = "integrations:integration" if reads else "integrations:routes"
    return redirect(page, request.organization.slug, pk)


def _welcome(integration: Integration, streams: list[Stream]) -> str:
    if not register.needs_connection(integration):
        return f"{integration} is ready: upload the first file."
    if not streams:
        return f"{integration} is on. Choose what goes there."
    return f"{integration} is on. The first sync of {len(streams)} streams has begun."


@require_POST
@member("admin")
def discarding(request: OrgRequest, pk: int) -> HttpResponse:
    """Give a draft up; one that has brought records before is disconnected instead."""
    integration = find_draft(request, pk)
    with transaction.atomic():
        record(request, "integration.discarded", integration, before={"name": integration.name})
        kept = Stream.objects.filter(integration=integration, records__isnull=False).exists()
        if kept:
            register.disconnect(integration)
        else:
            integration.streams.update(mapping=None)
            integration.delete()
    words = (
        "It is disconnected again; what it brought stays." if kept else "The draft is gone; nothing was read."
    )
    messages.success(request, words)
    return redirect("integrations:catalogue", request.organization.slug)
