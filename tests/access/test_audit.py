"""The audit trail: who, what, before and after; append-only; an edited or missing row is found."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.audit import HIDDEN, SYSTEM, Change, changes, record, record_many, snapshot, verify
from ledgerhub.access.models import AppendOnlyError, AuditChain, AuditEvent, Organization, User
from tests.factories import make_organization


def _write(organization: Organization | None, count: int = 3) -> list[AuditEvent]:
    return [record(None, f"thing.changed_{i}", None, organization=organization) for i in range(count)]


def _sql(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


class TestRecording:
    def test_an_event_says_who_what_where_and_what_changed(
        self, organization: Organization, admin: User
    ) -> None:
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
        request.user, request.organization = admin, organization
        record(request, "member.role_changed", admin, before={"role": "viewer"}, after={"role": "admin"})
        event = AuditEvent.objects.get()
        assert (event.organization, event.actor, event.actor_label) == (
            organization,
            admin,
            "Ada Admin (admin@example.com)",
        )
        assert (event.action, event.object_type, event.object_id, event.object_label) == (
            "member.role_changed",
            "user",
            str(admin.pk),
            "Ada Admin",
        )
        assert (event.before, event.after, event.ip_address) == (
            {"role": "viewer"},
            {"role": "admin"},
            "192.0.2.7",
        )

    def test_background_work_is_named_as_such(self, organization: Organization) -> None:
        event = record(None, "sync.undone", organization=organization)
        assert (event.actor, event.actor_label, event.ip_address) == (None, "LedgerHub", None)

    def test_values_become_plain_json(self, organization: Organization) -> None:
        after = {"day": date(2026, 3, 1), "rate": Decimal("1.10"), "who": organization, "nul": "a\0b"}
        record(None, "x.y", organization=organization, after=after)
        assert AuditEvent.objects.get().after == {
            "day": "2026-03-01",
            "rate": "1.10",
            "who": "Corner Shop",
            "nul": "ab",
        }

    def test_secrets_are_never_written(self, organization: Organization) -> None:
        after = {
            "api_key": "sk_live_1",
            "name": "Stripe",
            "key": "charges",
            "settings": {"client_secret": "s", "token": "", "rows": [{"password": "p", "n": 1}]},
        }
        record(None, "integration.changed", organization=organization, after=after)
        assert AuditEvent.objects.get().after == {
            "api_key": HIDDEN,
            "name": "Stripe",
            "key": "charges",
            "settings": {"client_secret": HIDDEN, "token": "", "rows": [{"password": HIDDEN, "n": 1}]},
        }

    def test_many_events_cost_as_much_as_one(
        self, organization: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        record(None, "first.made", organization=organization)
        with django_assert_max_num_queries(5):
            record_many(
                None, "match.confirmed", [Change(organization, after={"n": n}) for n in range(50)],
                organization=organization,
            )  # fmt: skip
        assert AuditEvent.objects.count() == 51
        assert verify(str(organization.pk)) == []

    def test_nothing_to_record_writes_nothing(self, organization: Organization) -> None:
        assert record_many(None, "x.y", [], organization=organization) == []
        assert not AuditChain.objects.exists()

    def test_changes_keeps_only_what_differs(self, organization: Organization) -> None:
        before = snapshot(organization, ["name", "timezone"])
        organization.name = "Other"
        assert changes(before, organization) == ({"name": "Corner Shop"}, {"name": "Other"})
        assert changes({"a": 1, "b": 2}, {"b": 2, "c": 3}) == ({"a": 1}, {"c": 3})


class TestAppendOnly:
    def test_an_event_can_neither_be_saved_again_nor_deleted(self, organization: Organization) -> None:
        event = _write(organization, 1)[0]
        event.action = "other"
        for act in (event.save, event.delete):
            with pytest.raises(AppendOnlyError, match="append-only"):
                act()
        assert AuditEvent.objects.get().action == "thing.changed_0"

    def test_a_queryset_neither_updates_nor_deletes(self, organization: Organization) -> None:
        event = _write(organization, 1)[0]
        rows = AuditEvent.objects.all()
        with pytest.raises(AppendOnlyError):
            rows.update(action="other")
        with pytest.raises(AppendOnlyError):
            rows.bulk_update([event], ["action"])
        with pytest.raises(AppendOnlyError):
            rows.filter(pk=event.pk).delete()
        assert AuditEvent.objects.count() == 1


class TestVerifying:
    def test_what_was_written_verifies(self, organization: Organization) -> None:
        _write(organization)
        _write(None, 2)
        assert (verify(str(organization.pk)), verify(SYSTEM)) == ([], [])

    def test_organizations_have_chains_of_their_own(self, organization: Organization) -> None:
        other = make_organization()
        numbers = [
            record(None, "x.y", organization=one).number for one in (organization, other, organization)
        ]
        assert numbers == [1, 1, 2]

    @pytest.mark.parametrize(
        "assignment",
        ["action = 'other'", "actor_label = 'Nobody'", "after = '{\"a\": 2}'", "at = '2020-01-01 00:00:00'"],
    )
    def test_an_edited_row_is_found(self, organization: Organization, assignment: str) -> None:
        events = _write(organization)
        _sql(f"UPDATE access_auditevent SET {assignment} WHERE id = %s", events[1].pk)
        assert [fault.number for fault in verify(str(organization.pk))] == [2]

    def test_a_row_missing_in_the_middle_is_found(self, organization: Organization) -> None:
        events = _write(organization, 5)
        _sql("DELETE FROM access_auditevent WHERE id IN (%s, %s)", events[1].pk, events[2].pk)
        assert [fault.message for fault in verify(str(organization.pk))] == [
            "Missing before event 4: 2 to 3."
        ]

    @pytest.mark.parametrize("kept", [2, 0])
    def test_a_cut_off_end_is_found(self, organization: Organization, kept: int) -> None:
        events = _write(organization)
        _sql("DELETE FROM access_auditevent WHERE id > %s", events[0].pk + kept - 1)
        assert [fault.message for fault in verify(str(organization.pk))] == [
            "The end is cut off or replaced: 3 events were written."
        ]

    def test_the_command_tells_a_sound_trail_from_a_broken_one(self, organization: Organization) -> None:
        events, out, err = _write(organization), StringIO(), StringIO()
        call_command("verify_audit", stdout=out)
        assert out.getvalue() == (f"Corner Shop: 3 events, untouched. Seal of the last: {events[-1].seal}\n")
        _sql("UPDATE access_auditevent SET action = 'other' WHERE id = %s", events[0].pk)
        with pytest.raises(CommandError, match=r"1 audit trail\(s\) are not as they were written"):
            call_command("verify_audit", stdout=out, stderr=err)
        assert err.getvalue() == "Corner Shop: Event 1 (other) is not as it was written.\n"
