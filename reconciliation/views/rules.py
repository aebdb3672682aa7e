"""Pages of rules: the list with what is suggested, the form with its preview, the order of bank rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledgerhub.access.models import Organization
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import expiry, rule_suggestions, rule_versions, rule_words
from reconciliation.models import Confirmation, Match, Rule, RuleVersion
from reconciliation.rule_forms import RuleInput, blank, of_version, read
from reconciliation.rule_preview import preview
from reconciliation.rule_suggestions import Start

State = RuleVersion.State
# Which version stands for its rule in the list, the first of these that there is.
_SHOWN_FIRST = (State.ACTIVE, State.PROPOSED, State.DRAFT, State.EXPIRED, State.RETIRED, State.SUPERSEDED)


@dataclass
class Use:
    """How often the versions of a rule were used: matches, those overturned, and when last."""

    matches: int = 0
    overturned: int = 0
    last: Any = None


@dataclass
class RuleRow:
    """A rule as the list shows it: the version that counts, and a newer one that waits."""

    rule: Rule
    version: RuleVersion
    waiting: RuleVersion | None
    says: str
    use: Use = field(default_factory=Use)


@require_safe
@member("viewer")
def rules(request: OrgRequest) -> HttpResponse:
    rows = rule_rows(request.organization)
    bank = [row for row in rows if row.rule.kind == Rule.Kind.BANK]
    context = {
        "bank_rules": bank,
        "approvals": [row for row in rows if row.rule.kind == Rule.Kind.APPROVAL],
        "active": sum(row.version.state == State.ACTIVE for row in rows),
        "waiting": sum(State.PROPOSED in (row.version.state, _state(row.waiting)) for row in rows),
        "expired": sum(row.version.state == State.EXPIRED for row in rows),
        "suggestions": rule_suggestions.suggestions(request.organization),
        "tabs": tabs(request, "rules"),
        "expiry_words": expiry.WORDS,
        "may_draft": request.membership.may("bookkeeper"),
        "may_order": request.membership.may("approver") and len(bank) > 1,
    }
    return render(request, "reconciliation/rules.html", context)


def tabs(request: OrgRequest, current: str) -> list[dict[str, Any]]:
    names = (("rules", "Rules"), ("automatic", "Approved automatically"))
    return [
        {
            "label": label,
            "url": reverse(f"reconciliation:{name}", args=[request.organization.slug]),
            "active": name == current,
        }
        for name, label in names
    ]


def rule_rows(organization: Organization) -> list[RuleRow]:
    """All rules in their order; six queries however many there are."""
    versions = (
        RuleVersion.objects.filter(rule__organization=organization)
        .select_related("rule", "account")
        .prefetch_related("splits__account", "splits__tax_account")
        .order_by("rule__position", "rule_id", "-number")
    )
    of_rule: dict[int, list[RuleVersion]] = {}
    for version in versions:
        version.rule.organization = organization
        of_rule.setdefault(version.rule_id, []).append(version)
    uses = _uses(organization)
    return [_row(found, uses) for found in of_rule.values()]


def _row(versions: list[RuleVersion], uses: dict[int, Use]) -> RuleRow:
    shown = min(versions, key=lambda version: _SHOWN_FIRST.index(State(version.state)))
    waiting = next((v for v in versions if v.state in (State.PROPOSED, State.DRAFT) and v is not shown), None)
    use = uses.get(shown.rule_id) or Use()
    return RuleRow(shown.rule, shown, waiting, rule_words.says(shown), use)


def _state(version: RuleVersion | None) -> str:
    return version.state if version is not None else ""


def _uses(organization: Organization) -> dict[int, Use]:
    """Rule id -> how it was used; bank rules by what they proposed, approval rules by what they approved."""
    decided = Match.objects.filter(organization=organization, rule__isnull=False).exclude(state="proposed")
    by_rule = decided.order_by().values_list("rule__rule")
    booked = by_rule.annotate(
        n=Count("pk"), bad=Count("pk", filter=Q(state__in=["rejected", "undone"])), last=Max("created_at")
    )
    acts = Confirmation.objects.filter(match__organization=organization, rule__isnull=False)
    approved = (
        acts.order_by()
        .values_list("rule__rule")
        .annotate(n=Count("pk"), bad=Count("pk", filter=Q(match__state="undone")), last=Max("at"))
    )
    return {rule_id: Use(n, bad, last) for rule_id, n, bad, last in [*booked, *approved]}


# ── the form ──────────────────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "HEAD", "POST"])
@member("bookkeeper")
def new(request: OrgRequest, kind: str) -> HttpResponse:
    """A new rule: typed, looked at, stored as a draft."""
    if request.method == "POST":
        return _typed(request, kind, None)
    start = _start(request) if kind == Rule.Kind.BANK else Start({"min_probability": "99"}, [])
    given = blank(request.organization, kind, start.initial, start.parts)
    return _form(request, given, None)


@require_http_methods(["GET", "HEAD", "POST"])
@member("bookkeeper")
def draft(request: OrgRequest, pk: int) -> HttpResponse:
    """Edit a rule: what is stored is its draft, the version in force stays until a new one is approved."""
    rule = get_rule(request, pk)
    if request.method == "POST":
        return _typed(request, rule.kind, rule)
    versions = rule.versions.prefetch_related("splits").select_related("account")
    latest = versions.filter(state=State.DRAFT).first() or versions.order_by("-number")[0]
    latest.rule = rule
    return _form(request, of_version(latest), rule)


def get_rule(request: OrgRequest, pk: int) -> Rule:
    rule = get_object_or_404(Rule, organization=request.organization, pk=pk)
    rule.organization = request.organization
    return rule


def _typed(request: OrgRequest, kind: str, rule: Rule | None) -> HttpResponse:
    given = read(request.organization, kind, request.POST)
    if request.headers.get("HX-Target") == "preview":
        context = {"given": given, "preview": preview(request.organization, given)}
        return render(request, "reconciliation/rule_form.html#preview", context)
    if given.version is None or "check" in request.POST:
        return _form(request, given, rule, status=200 if given.version else 422)
    try:
        version = _store(request, given, rule)
    except ConfigError as error:
        given.version = None
        given.form.add_error("name", str(error))
        return _form(request, given, rule, status=422)
    messages.success(request, "Saved as a draft. Back-test it, then propose it.")
    return redirect(version_url(request, version))


def _store(request: OrgRequest, given: RuleInput, rule: Rule | None) -> RuleVersion:
    if given.version is None:
        raise ConfigError("The rule could not be read.")
    if rule is not None:
        return rule_versions.save(rule, given.name, given.version, given.parts, request=request)
    return rule_versions.create(
        request.organization, given.kind, given.name, given.version, given.parts, request=request
    )


def version_url(request: OrgRequest, version: RuleVersion) -> str:
    place = [request.organization.slug, version.rule_id, version.number]
    return reverse("reconciliation:rule_version", args=place)


def _form(request: OrgRequest, given: RuleInput, rule: Rule | None, *, status: int = 200) -> HttpResponse:
    context = {
        "given": given,
        "form": given.form,
        "splits": given.splits,
        "rule": rule,
        "is_bank": given.kind == Rule.Kind.BANK,
        "preview": preview(request.organization, given) if given.form.is_bound else None,
    }
    return render(request, "reconciliation/rule_form.html", context, status=status)


def _start(request: OrgRequest) -> Start:
    """How the form opens: from a decided match, from a line, from a suggestion, or empty."""
    asked = request.GET
    if (pk := _number(asked.get("match", ""))) is not None:
        made = get_object_or_404(Match, organization=request.organization, pk=pk)
        row = made.rows.filter(statement_line__isnull=False).select_related("statement_line").first()
        if row is not None and row.statement_line is not None:
            return rule_suggestions.from_line(row.statement_line, made)
    if (pk := _number(asked.get("line", ""))) is not None:
        line = get_object_or_404(StatementLine, organization=request.organization, pk=pk)
        return rule_suggestions.from_line(line)
    text = asked.get("text", "").replace("\0", "").strip()[:120]
    to = _account(request, asked.get("to", ""))
    return Start({"name": text, "contains": text}, [{"account": to.pk}] if to else [])


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _account(request: OrgRequest, text: str) -> Account | None:
    pk = _number(text)
    return Account.objects.filter(organization=request.organization, pk=pk).first() if pk else None


# ── order, and what is not wanted ─────────────────────────────────────────────────────────────────────


@require_POST
@member("approver")
def position(request: OrgRequest, pk: int) -> HttpResponse:
    """One place earlier or later among the bank rules: the first that applies wins."""
    rule = get_rule(request, pk)
    rule_versions.move(rule, -1 if request.POST.get("step") == "up" else 1, request=request)
    return HttpResponseRedirect(reverse("reconciliation:rules", args=[request.organization.slug]))


@require_POST
@member("bookkeeper")
def dismissals(request: OrgRequest) -> HttpResponse:
    """No rule is wanted for this text and account."""
    account = _account(request, request.POST.get("to", ""))
    text = request.POST.get("text", "").replace("\0", "").strip()
    if account is not None and text:
        rule_suggestions.dismiss(request.organization, text, account, request=request)
        messages.success(request, f"“{text}” will not be suggested again.")
    return HttpResponseRedirect(reverse("reconciliation:rules", args=[request.organization.slug]))
