"""What the engine looks at: every level with its weight, learned versions, how true probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from reconciliation import weights
from reconciliation.matching import learning as pure
from reconciliation.matching.levels import CHEQUE_DATE, FEATURES, Weights
from reconciliation.models import WeightLearning, WeightSet

FEATURE_WORDS = {
    "amount": ("Amount", "How rare an equal amount is, or what a difference may be."),
    "reference": ("Reference", "Whether the bank text names the document, or another one."),
    "payer": ("Payer", "How much of the name on one side is found on the other."),
    "date": ("Days between", "From the entry to the bank line; cheques may take weeks."),
    "kind": ("Kind of transaction", "Words such as fee, payroll or refund on both sides."),
    "batch": ("Batch", "Whether both sides name the same payout or batch."),
}
WIDEST = 10.0
"""Log-odds at which a bar is full."""


class Bar(NamedTuple):
    """A bar left (against) or right (for) of the middle of a hundred."""

    x: int
    width: int
    tone: str


class LevelRow(NamedTuple):
    words: str
    builtin: Decimal
    active: Decimal
    bar: Bar

    @property
    def moved(self) -> Decimal:
        return self.active - self.builtin


class Feature(NamedTuple):
    name: str
    words: str
    rows: list[LevelRow]


class BinRow(NamedTuple):
    """Decided proposals said to be about as likely: percent said, percent that came true."""

    span: str
    said: Decimal
    came_true: Decimal
    size: int


@dataclass
class Version:
    made: WeightSet
    in_use: bool
    blocked: str


@require_safe
@member("viewer")
def page(request: OrgRequest) -> HttpResponse:
    organization = request.organization
    current = weights.activation(organization)
    active = current.weights if current else None
    decisions = weights.decisions(organization)
    learned = WeightSet.objects.filter(organization=organization).select_related("made_by")
    versions = [_version(made, active, request) for made in learned.order_by("-version")]
    trusted = reliability(decisions)
    jobs = WeightLearning.objects.filter(organization=organization).select_related("made")
    context = {
        "features": features(weights.weights_of(active) if active else Weights.start()),
        "current": current,
        "active": active,
        "versions": versions,
        "held": [(one.made, _bins(one.made.report["after"]["bins"])) for one in versions[:1]],
        "decided": len(decisions),
        "refused": sum(not decision.right for decision in decisions),
        "reliability": trusted,
        "too_few": pure.too_few(decisions),
        "job": jobs.order_by("-pk").first(),
        "may_learn": request.membership.may("approver"),
    }
    return render(request, "reconciliation/weights.html", context | charts(trusted))


def _version(made: WeightSet, active: WeightSet | None, request: OrgRequest) -> Version:
    return Version(made, made == active, weights.why_not(made, request.user, request.organization))


def features(active: Weights) -> list[Feature]:
    """Every feature with its levels: the built-in weight beside the one in use."""
    start = Weights.start()
    found = []
    for name in FEATURES:
        columns = (start.by_feature[name].tolist(), active.by_feature[name].tolist())
        rows = [
            LevelRow(_words(name, place), _weight(old), _weight(new), _bar(new))
            for place, (old, new) in enumerate(zip(*columns, strict=True))
        ]
        found.append(Feature(*FEATURE_WORDS[name], rows))
    return found


def _words(name: str, place: int) -> str:
    """A level as its evidence says it, else by its name."""
    level = FEATURES[name][place]
    if name == "date" and place >= len(FEATURES[name]) - len(CHEQUE_DATE):
        return f"Cheque, {level.name}"
    words = level.label.replace("{}", "…") if name != "date" else ""
    return (words or level.name)[:1].upper() + (words or level.name)[1:]


def _weight(value: float) -> Decimal:
    return Decimal(f"{value:.2f}")


def _bar(value: float) -> Bar:
    width = round(min(abs(value), WIDEST) / WIDEST * 50)
    return Bar(50 - width, width, "danger") if value < 0 else Bar(50, width, "success")


def reliability(decisions: Sequence[pure.Decision]) -> list[BinRow]:
    """What people decided against what they were shown."""
    if not decisions:
        return []
    shown = np.array([decision.shown for decision in decisions])
    right = np.array([decision.right for decision in decisions])
    return _bins(pure.Quality.of(shown, right).bins)


def _bins(bins: Sequence[Sequence[float]]) -> list[BinRow]:
    return [BinRow(_span(said), _percent(said), _percent(came), int(size)) for said, came, size in bins]


def _span(said: float) -> str:
    low, high = next((low, high) for low, high in pairwise((*pure.EDGES, 1.0)) if said < high or high == 1.0)
    return f"{low * 100:g}–{high * 100:g}%"


def _percent(share: float) -> Decimal:
    return Decimal(f"{share * 100:.1f}")


def charts(rows: Sequence[BinRow]) -> dict[str, Any]:
    """Labels and series of the reliability chart."""
    said, came = [row.said for row in rows], [row.came_true for row in rows]
    series = [("Said", said, "neutral"), ("Came true", came, "accent")]
    return {"spans": [row.span for row in rows], "series": series}


@require_POST
@member("approver")
def learning(request: OrgRequest) -> HttpResponse:
    """Ask for new weights to be learned from what people decided."""
    try:
        weights.request_learning(request.organization, user=request.user, request=request)
    except RecordError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Learning from decisions. The new version will stand in the list below.")
    return _back(request)


@require_POST
@member("approver")
def activation(request: OrgRequest, version: int) -> HttpResponse:
    """Use a version from the next pass on; version 0 are the built-in weights."""
    made = (
        get_object_or_404(WeightSet, organization=request.organization, version=version) if version else None
    )
    try:
        weights.activate(request.organization, made, user=request.user, request=request)
    except RecordError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{made or 'The built-in weights'}: in use from the next pass on.")
    return _back(request)


def _back(request: OrgRequest) -> HttpResponse:
    return HttpResponseRedirect(reverse("reconciliation:weights", args=[request.organization.slug]))
