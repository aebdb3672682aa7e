"""Contacts found and made in bulk: by outside id, by e-mail, by name."""

from __future__ import annotations

import itertools

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger import parties
from ledgerhub.ledger.models import Contact, ContactIdentity

pytestmark = pytest.mark.django_db


def test_new_people_are_made_once(organization: Organization) -> None:
    ann = {"external_id": "7", "name": "Ann Lee", "email": "Ann@x.test"}
    first, nobody, again = parties.resolve(organization, [ann, None, dict(ann)], scope="shop")
    assert first is again
    assert nobody is None
    assert list(Contact.objects.values_list("name", "email", "is_customer", "is_supplier")) == [
        ("Ann Lee", "ann@x.test", True, False)
    ]
    assert list(ContactIdentity.objects.values_list("scope", "external_id")) == [("shop", "7")]


def test_the_same_person_in_two_systems_is_one_contact(organization: Organization) -> None:
    [shop] = parties.resolve(organization, [{"external_id": "7", "email": "ann@x.test"}], scope="shop")
    [card] = parties.resolve(organization, [{"external_id": "cus_1", "email": "ANN@x.test"}], scope="card")
    assert shop is not None
    assert card == shop
    [known] = parties.resolve(organization, [{"external_id": "cus_1", "name": "Someone"}], scope="card")
    assert known == shop


def test_equal_names_with_different_ids_stay_apart(organization: Organization) -> None:
    people = [{"external_id": "1", "name": "J. Smith"}, {"external_id": "2", "name": "J. Smith"}]
    first, second = parties.resolve(organization, people, scope="shop")
    assert first is not second
    assert Contact.objects.count() == 2


def test_a_name_alone_finds_the_contact(organization: Organization) -> None:
    [made] = parties.resolve(organization, [{"name": "Landlord Ltd"}], scope="bank", supplier=True)
    [found] = parties.resolve(organization, [{"name": "Landlord Ltd"}], scope="bank")
    assert made == found
    assert list(Contact.objects.values_list("is_customer", "is_supplier")) == [(True, True)]


def test_a_contact_is_what_its_source_says(organization: Organization) -> None:
    people = [
        {"external_id": "1", "name": "Finca La Palma", "role": "supplier"},
        {"external_id": "2", "name": "Corner Shop", "role": "both"},
        {"external_id": "3", "name": "Ann Lee", "role": "customer"},
        {"external_id": "4", "name": "Bo Day"},
    ]
    parties.update(organization, people, scope="file")
    parties.update(organization, [{"external_id": "3", "name": "Ann Lee", "role": "supplier"}], scope="file")
    assert list(Contact.objects.order_by("pk").values_list("name", "is_customer", "is_supplier")) == [
        ("Finca La Palma", False, True),
        ("Corner Shop", True, True),
        ("Ann Lee", True, True),
        ("Bo Day", True, False),
    ]


def test_people_of_another_organization_are_not_found(organization: Organization) -> None:
    other = Organization.objects.create(name="Other", slug="other-books")
    [theirs] = parties.resolve(other, [{"external_id": "7", "email": "ann@x.test"}], scope="shop")
    [ours] = parties.resolve(organization, [{"external_id": "7", "email": "ann@x.test"}], scope="shop")
    assert ours != theirs


def test_update_takes_what_the_source_says_now(organization: Organization) -> None:
    parties.resolve(organization, [{"external_id": "7", "name": "Ann", "email": "a@x.test"}], scope="shop")
    parties.update(organization, [{"external_id": "7", "name": "Ann Lee", "phone": "+1 555"}], scope="shop")
    assert list(Contact.objects.values_list("name", "phone", "email")) == [("Ann Lee", "+1 555", "a@x.test")]


def test_who_was_merged_into_another_hands_over_the_id_and_nothing_else(organization: Organization) -> None:
    twins = [{"external_id": "1", "name": "Ann Lee"}, {"external_id": "2", "name": "Anne Leigh"}]
    first, second = parties.update(organization, twins, scope="crm")
    parties.update(organization, [{**twins[1], "phone": "+1 555", "merged_into": "1"}], scope="crm")
    rows = ContactIdentity.objects.filter(scope="crm").order_by("external_id")
    assert list(rows.values_list("external_id", "contact")) == [("1", first.pk), ("2", first.pk)]
    first.refresh_from_db()
    assert (first.name, first.phone) == ("Ann Lee", "")
    assert Contact.objects.filter(pk=second.pk).exists()


def test_who_stayed_may_be_told_of_later(organization: Organization) -> None:
    parties.update(organization, [{"external_id": "2", "name": "Anne", "merged_into": "1"}], scope="crm")
    parties.update(organization, [{"external_id": "1", "name": "Ann Lee", "phone": "+1 555"}], scope="crm")
    assert list(Contact.objects.values_list("name", "phone")) == [("Ann Lee", "+1 555")]
    assert sorted(ContactIdentity.objects.values_list("external_id", flat=True)) == ["1", "2"]


CHAIN = {"1": "2", "2": "3", "4": "2"}  # each merged into the next; 3 stays


@pytest.mark.parametrize("known", [True, False], ids=["read before", "never read"])
@pytest.mark.parametrize("together", [True, False], ids=["on one page", "one by one"])
@pytest.mark.parametrize("order", list(itertools.permutations(CHAIN)), ids="".join)
def test_a_chain_of_merges_ends_at_the_last_whatever_is_told_first(
    organization: Organization, order: tuple[str, ...], *, together: bool, known: bool
) -> None:
    people = [{"external_id": str(n), "name": f"Number {n}", "email": f"{n}@x.test"} for n in range(1, 6)]
    if known:
        parties.update(organization, people, scope="crm")
    told = [{**people[int(one) - 1], "merged_into": CHAIN[one]} for one in order]
    for page in [told] if together else [[one] for one in told]:
        parties.update(organization, page, scope="crm")
    parties.update(organization, [people[2], people[4]], scope="crm")
    rows = dict(ContactIdentity.objects.filter(scope="crm").values_list("external_id", "contact__name"))
    assert rows == {**dict.fromkeys("1234", "Number 3"), "5": "Number 5"}
    assert dict(ContactIdentity.objects.values_list("external_id", "merged_into")) == {
        **CHAIN,
        "3": "",
        "5": "",
    }


def test_who_took_over_names_all_whom_it_ever_took_over(organization: Organization) -> None:
    """As HubSpot tells it: of a chain the last one names the first, too."""
    people = [{"external_id": str(n), "name": f"Number {n}"} for n in range(1, 4)]
    parties.update(organization, people, scope="crm")
    parties.update(organization, [{**people[1], "merged": "1"}], scope="crm")
    parties.update(organization, [{**people[2], "merged": "1 2"}], scope="crm")
    rows = ContactIdentity.objects.filter(scope="crm")
    assert set(rows.values_list("contact__name", flat=True)) == {"Number 3"}


def test_merges_that_run_in_a_circle_change_no_ones_contact(organization: Organization) -> None:
    people = [{"external_id": "1", "name": "One"}, {"external_id": "2", "name": "Two"}]
    parties.update(organization, people, scope="crm")
    parties.update(organization, [{**people[0], "merged_into": "2"}], scope="crm")
    parties.update(organization, [{**people[1], "merged_into": "1"}], scope="crm")
    assert ContactIdentity.objects.filter(scope="crm").count() == 2


def test_merges_elsewhere_are_none_of_theirs(organization: Organization) -> None:
    other = Organization.objects.create(name="Other", slug="other-books")
    people = [{"external_id": "1", "name": "One"}, {"external_id": "2", "name": "Two"}]
    for books, scope in ((organization, "crm"), (organization, "shop"), (other, "crm")):
        parties.update(books, people, scope=scope)
    parties.update(organization, [{**people[0], "merged_into": "2"}], scope="crm")
    moved = ContactIdentity.objects.exclude(merged_into="")
    assert list(moved.values_list("organization", "scope", "external_id")) == [(organization.pk, "crm", "1")]
