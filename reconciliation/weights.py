"""Weights of an organization: which are in use, learning new ones from decisions, activating a version."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_q.tasks import async_task

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from reconciliation.matching.calibration import Calibration
from reconciliation.matching.learning import Decision, Learned, learn, too_few
from reconciliation.matching.levels import FEATURES, Weights
from reconciliation.models import Confirmation, Match, WeightActivation, WeightLearning, WeightSet

log = logging.getLogger(__name__)

OPEN = (WeightLearning.State.QUEUED, WeightLearning.State.RUNNING)
STALE_AFTER = dt.timedelta(minutes=10)
MOST_DECISIONS = 50_000


class InUse(NamedTuple):
    """What the engine judges with."""

    weights: Weights
    calibration: Calibration | None


def activation(organization: Organization) -> WeightActivation | None:
    """The activation that holds now, with its weights; None where nobody ever chose."""
    rows = WeightActivation.objects.filter(organization=organization)
    return rows.select_related("weights", "by").order_by("-pk").first()


def in_use(organization: Organization) -> InUse:
    """The weights activated last, else those built in."""
    current = activation(organization)
    if current is None or current.weights is None:
        return InUse(Weights.start(), None)
    return InUse(weights_of(current.weights), Calibration.of(current.weights.calibration))


def weights_of(made: WeightSet) -> Weights:
    """As the engine takes them; levels that came with a later release have their built-in weight."""
    start = Weights.start().by_feature
    return Weights(
        {name: _as_long(made.weights.get(name, []), start[name]) for name in FEATURES}, made.version
    )


def _as_long(values: list[float], start: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    return np.concatenate((np.array(values, dtype=np.float64)[: len(start)], start[len(values) :]))


# ── decisions ─────────────────────────────────────────────────────────────────────────────────────────


def decided(organization: Organization) -> QuerySet[Match]:
    """Proposals of the engine that a person confirmed, rejected, or confirmed and undid.

    What a rule approved by itself teaches nothing until a person overturns it.
    """
    acts = Confirmation.objects.filter(match=OuterRef("pk"))
    confirmed = acts.filter(action=Confirmation.Action.CONFIRM)
    state = Match.State
    return (
        Match.objects.filter(organization=organization, method=Match.Method.ENGINE)
        .exclude(raw_probability=None)
        .exclude(levels={})
        .filter(
            Q(state=state.REJECTED)
            | Q(Exists(confirmed.filter(rule=None)), state=state.CONFIRMED)
            | Q(Exists(confirmed), state=state.UNDONE)
        )
    )


def decisions(organization: Organization) -> list[Decision]:
    """The newest MOST_DECISIONS of them, oldest first."""
    columns = ("pk", "levels", "raw_probability", "probability", "state", "weights_version")
    rows = decided(organization).order_by("-pk").values_list(*columns)[:MOST_DECISIONS]
    return [
        Decision(pk, levels, raw, shown, state == Match.State.CONFIRMED, version)
        for pk, levels, raw, shown, state, version in reversed(list(rows))
        if levels.keys() == FEATURES.keys()
    ]


# ── learning ──────────────────────────────────────────────────────────────────────────────────────────


def request_learning(
    organization: Organization, *, user: User, request: HttpRequest | None = None
) -> WeightLearning:
    """Queue learning, or return the one that is open. Raises RecordError where there is too little yet."""
    if reason := too_few(decisions(organization)):
        raise RecordError(reason)
    _give_up_stale(organization)
    try:
        with transaction.atomic():
            job = WeightLearning.objects.create(organization=organization, requested_by=user)
            record(request, "weights.requested", job, organization=organization, actor=user)
            async_task("reconciliation.tasks.learn_weights", job.pk)
    except IntegrityError:
        return WeightLearning.objects.filter(organization=organization, state__in=OPEN).latest("pk")
    return job


def _give_up_stale(organization: Organization) -> None:
    """A job whose worker was lost does not stand in the way of the next."""
    lost = WeightLearning.objects.filter(organization=organization, state__in=OPEN)
    lost.filter(requested_at__lt=timezone.now() - STALE_AFTER).update(
        state=WeightLearning.State.FAILED, finished_at=timezone.now(), message="The learning broke off."
    )


def execute(job_id: int) -> None:
    """Learn and keep a new version, for a person to activate. Safe to call twice."""
    claimed = WeightLearning.objects.filter(pk=job_id, state=WeightLearning.State.QUEUED)
    if not claimed.update(state=WeightLearning.State.RUNNING):
        return
    job = WeightLearning.objects.select_related("organization", "requested_by").get(pk=job_id)
    try:
        _learn(job)
    except Exception:
        log.exception("learning=%s stopped", job_id)
        _finish(job, WeightLearning.State.FAILED, "Learning stopped on a mistake of LedgerHub's.")
        raise


def _learn(job: WeightLearning) -> None:
    known = decisions(job.organization)
    if reason := too_few(known):
        _finish(job, WeightLearning.State.FAILED, reason)
        return
    found = learn(known, _sets(job.organization))
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=job.organization_id)
        job.made = _kept(job, found, len(known))
        _finish(job, WeightLearning.State.DONE, "")
        record(
            None, "weights.learned", job.made,
            after={"version": job.made.version, "decisions": len(known), **_figures(job.made)},
            organization=job.organization, actor=job.requested_by,
        )  # fmt: skip


def _sets(organization: Organization) -> Mapping[int, Weights]:
    made = WeightSet.objects.filter(organization=organization)
    return {0: Weights.start()} | {one.version: weights_of(one) for one in made}


def _kept(job: WeightLearning, found: Learned, count: int) -> WeightSet:
    made = WeightSet.objects.filter(organization=job.organization)
    return WeightSet.objects.create(
        organization=job.organization,
        version=(made.aggregate(last=Max("version"))["last"] or 0) + 1,
        weights={name: values.tolist() for name, values in found.weights.by_feature.items()},
        calibration=[list(point) for point in found.calibration.points],
        report={
            "held_out": found.held_out,
            "before": found.before.as_json(),
            "after": found.after.as_json(),
        },
        decisions=count,
        made_by=job.requested_by,
    )


def _figures(made: WeightSet) -> dict[str, float]:
    return {when: made.report[when]["log_loss"] for when in ("before", "after")}


def _finish(job: WeightLearning, state: str, message: str) -> None:
    job.state, job.message, job.finished_at = state, message[:300], timezone.now()
    job.save(update_fields=["state", "message", "finished_at", "made"])


# ── activating ────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def activate(
    organization: Organization, made: WeightSet | None, *, user: User, request: HttpRequest | None = None
) -> None:
    """Use this version from the next pass on (None: the built-in weights).

    Raises RecordError in words where a second person is needed, or it is in use already.
    """
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    current = activation(organization)
    before = current.weights if current else None
    if before == made:
        raise RecordError("These weights are in use already.")
    if reason := why_not(made, user, organization):
        raise RecordError(reason)
    kept = WeightActivation.objects.create(organization=organization, weights=made, by=user)
    record(
        request, "weights.activated", kept,
        before={"version": before.version if before else 0},
        after={"version": made.version if made else 0},
        organization=organization, actor=user,
    )  # fmt: skip


def why_not(made: WeightSet | None, user: User, organization: Organization) -> str:
    """Why this person may not activate these weights, in words; empty where nothing stands against it."""
    if made is not None and organization.two_person_rule and made.made_by_id == user.pk:
        return "You asked for these weights to be learned: somebody else has to activate them."
    return ""
