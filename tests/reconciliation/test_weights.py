"""Learned weights: what counts as a decision, learning in the background, activating, the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account
from reconciliation import decisions, runs, weights
from reconciliation.matching import levels as lv
from reconciliation.matching.levels import Weights
from reconciliation.models import Confirmation, Match, WeightActivation, WeightLearning, WeightSet
from tests.jobs import drain
from tests.reconciliation.factories import make_bank, make_line, make_payout

SignedIn = Callable[[User], Client]
LEVELS = {"amount": 0, "reference": lv.NO_REFERENCE, "payer": lv.NO_PAYER, "date": 4, "kind": 1, "batch": 1}


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


def url(name: str, *args: object) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def decide(bank: Account, count: int, *, right: bool, user: User | None, payer: int = lv.NO_PAYER) -> None:
    """`count` decided proposals as the engine and people leave them."""
    state = Match.State.CONFIRMED if right else Match.State.REJECTED
    made = Match.objects.bulk_create(
        Match(
            organization=bank.organization, account=bank, state=state, probability=0.8, raw_probability=0.8,
            levels=LEVELS | {"payer": payer}, fingerprint=f"{payer}{right}{i}",
        )
        for i in range(count)
    )  # fmt: skip
    action = Confirmation.Action.CONFIRM if right else Confirmation.Action.REJECT
    Confirmation.objects.bulk_create(Confirmation(match=one, action=action, by=user) for one in made)


def learned(bank: Account, user: User) -> WeightSet:
    decide(bank, 60, right=True, user=user, payer=lv.NEAR_PAYER)
    decide(bank, 40, right=False, user=user, payer=lv.PARTLY_PAYER)
    weights.request_learning(bank.organization, user=user)
    drain()
    return WeightSet.objects.get()


def test_what_people_confirm_and_refuse_moves_the_weights(bank: Account, approver: User) -> None:
    made = learned(bank, approver)
    start = Weights.start().by_feature["payer"]
    assert made.weights["payer"][lv.NEAR_PAYER] > start[lv.NEAR_PAYER]
    assert made.weights["payer"][lv.PARTLY_PAYER] < start[lv.PARTLY_PAYER]
    assert (made.version, made.decisions, made.made_by) == (1, 100, approver)
    assert made.report["after"]["log_loss"] < made.report["before"]["log_loss"]
    assert [row["action"] for row in AuditEvent.objects.order_by("pk").values("action")][-2:] == [
        "weights.requested",
        "weights.learned",
    ]
    assert weights.in_use(bank.organization).weights.version == 0


def test_proposals_are_made_with_the_active_version(bank: Account, approver: User) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    made = learned(bank, approver)
    weights.activate(bank.organization, made, user=approver)
    runs.propose(bank)
    proposal = Match.objects.get(state="proposed")
    assert proposal.weights_version == 1
    assert proposal.probability is not None
    assert proposal.raw_probability is not None
    assert proposal.probability != pytest.approx(proposal.raw_probability, abs=1e-9)
    weights.activate(bank.organization, None, user=approver)
    runs.propose(bank)
    proposal.refresh_from_db()
    assert proposal.weights_version == 0


def test_what_counts_as_a_decision(bank: Account, approver: User) -> None:
    """Undone counts against a proposal, a rule's approval for nothing, what a person chose is no proposal."""
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    made = decisions.confirm(Match.objects.get(), user=approver)
    assert [(one.id, one.right) for one in weights.decisions(bank.organization)] == [(made.pk, True)]
    decisions.undo(made, user=approver)
    assert [(one.id, one.right) for one in weights.decisions(bank.organization)] == [(made.pk, False)]
    again = Match.objects.get(state="proposed")
    decisions.reject(again, user=approver)
    decisions.undo(again, user=approver)
    assert [(one.id, one.right) for one in weights.decisions(bank.organization)] == [(made.pk, False)]


def test_too_few_decisions_are_refused(bank: Account, approver: User, signed_in: SignedIn) -> None:
    decide(bank, 20, right=True, user=approver)
    with pytest.raises(RecordError, match="at least 50 proposals"):
        weights.request_learning(bank.organization, user=approver)
    answer = signed_in(approver).post(url("learning"), follow=True)
    assert "So far there are 20, 0 of them rejected or undone." in answer.content.decode()
    assert not WeightLearning.objects.exists()


def test_versions_never_change(bank: Account, approver: User) -> None:
    made = learned(bank, approver)
    made.decisions = 7
    with pytest.raises(TypeError, match="learned weights never change"):
        made.save()
    assert WeightSet.objects.get().decisions == 100


def test_the_same_request_twice_is_one_job(bank: Account, approver: User) -> None:
    decide(bank, 60, right=True, user=approver)
    decide(bank, 10, right=False, user=approver)
    first = weights.request_learning(bank.organization, user=approver)
    assert weights.request_learning(bank.organization, user=approver) == first
    weights.execute(first.pk)
    weights.execute(first.pk)
    assert WeightSet.objects.count() == 1


def test_activating_and_going_back_is_recorded(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made, client = learned(bank, approver), signed_in(approver)
    client.post(url("activation", 1))
    assert weights.in_use(bank.organization).weights.version == 1
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.before, event.after) == (
        "weights.activated", approver, {"version": 0}, {"version": 1}
    )  # fmt: skip
    again = client.post(url("activation", 1), follow=True)
    assert "in use already" in again.content.decode()
    client.post(url("activation", 0))
    assert weights.in_use(bank.organization).weights.version == 0
    assert list(WeightActivation.objects.order_by("pk").values_list("weights", flat=True)) == [made.pk, None]
    assert client.post(url("activation", 9)).status_code == 404


def test_two_people_where_the_organization_asks_for_it(bank: Account, approver: User, admin: User) -> None:
    organization = bank.organization
    organization.two_person_rule = True
    organization.save()
    made = learned(bank, approver)
    with pytest.raises(RecordError, match="somebody else has to activate them"):
        weights.activate(organization, made, user=approver)
    weights.activate(organization, made, user=admin)
    assert weights.in_use(organization).weights.version == 1


def test_the_page_shows_levels_versions_and_reliability(
    bank: Account, approver: User, viewer: User, outsider: User, signed_in: SignedIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    empty = signed_in(viewer).get(url("weights")).content.decode()
    assert "Nobody has decided a proposal yet" in empty
    assert "Learn from decisions" not in empty
    made = learned(bank, approver)
    weights.activate(bank.organization, made, user=approver)
    client = signed_in(approver)
    with django_assert_max_num_queries(15):
        page = client.get(url("weights")).content.decode()
    for words in ("Weights v1 judge every match", "100 proposals so far, 40 of them", "80–90%",
                  "Cheque, same day", "Payer partly the same", "Learn from decisions"):  # fmt: skip
        assert words in page, words
    assert signed_in(outsider).get(url("weights")).status_code == 404
    assert Client().get(url("weights")).status_code == 302


@pytest.mark.parametrize(("name", "args"), [("learning", ()), ("activation", (0,))])
def test_acts_take_an_approver(
    bank: Account, bookkeeper: User, outsider: User, signed_in: SignedIn, name: str, args: tuple[int, ...]
) -> None:
    assert signed_in(bookkeeper).post(url(name, *args)).status_code == 403
    assert signed_in(outsider).post(url(name, *args)).status_code == 404
    assert not WeightActivation.objects.exists()
