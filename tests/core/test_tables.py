"""The list helper: search, filter, sort, page, export; whatever stands in the URL."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core import tables
from ledgerhub.core.exports import csv_cell
from ledgerhub.core.tables import Chip, Column, Filter, Table, table
from ledgerhub.ledger.models import Contact

COLUMNS = (
    Column("name", "Name", order_by="name"),
    Column("email", "E-mail", order_by="email"),
    Column("country", "Country"),
)
FILTERS = (
    Filter("country", "Country", choices=[("CH", "Switzerland"), ("US", "United States")]),
    Filter("tax", "Tax number", "tax_number__startswith", kind="text"),
    Filter("since", "From", "created_at__date__gte", kind="date"),
)


@pytest.fixture
def contacts(organization: Organization) -> list[Contact]:
    rows = [
        ("Zoe", "zoe@x.test", "CH", "T1"),
        ("Ann Lee", "ann@x.test", "US", "T2"),
        ("ann b", "b@x.test", "US", ""),
        ("Émile", "emile@y.test", "FR", "S1"),
    ]
    return [
        Contact.objects.create(
            organization=organization, name=name, email=email, country=country, tax_number=tax
        )
        for name, email, country, tax in rows
    ]


def listed(query: str = "", **options: Any) -> Table[Contact]:
    request = RequestFactory().get(f"/list/?{query}")
    options = {"columns": COLUMNS, "filters": FILTERS, "search": ["name", "email"], **options}
    return table(request, Contact.objects.all(), **options)


def names(found: Table[Contact]) -> list[str]:
    return [row.name for row in found.rows]


def exported(query: str = "", **options: Any) -> list[list[str]]:
    response = listed(f"{query}&export=csv", **options).export
    assert response is not None
    text = b"".join(response.streaming_content).decode()  # type: ignore[arg-type]
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.usefixtures("contacts")
class TestOrder:
    def test_newest_first_where_nothing_else_is_said(self) -> None:
        assert names(listed()) == ["Émile", "ann b", "Ann Lee", "Zoe"]

    def test_the_default_sort(self) -> None:
        assert names(listed(default_sort="email")) == ["Ann Lee", "ann b", "Émile", "Zoe"]

    def test_the_url_sorts(self) -> None:
        assert names(listed("sort=-email", default_sort="name")) == ["Zoe", "Émile", "ann b", "Ann Lee"]

    @pytest.mark.parametrize("sort", ["country", "password", "organization__name", "--name", "-", "%00"])
    def test_what_may_not_be_sorted_by_is_ignored(self, sort: str) -> None:
        assert names(listed(f"sort={sort}")) == ["Émile", "ann b", "Ann Lee", "Zoe"]

    def test_heads_say_the_direction_and_turn_it_round(self) -> None:
        heads = listed("sort=email&country=US&page=2").heads
        assert [(head.key, head.direction, head.url) for head in heads] == [
            ("name", "", "?sort=name&country=US"),
            ("email", "ascending", "?sort=-email&country=US"),
            ("country", "", ""),
        ]

    def test_missing_values_come_last_in_both_directions(self, organization: Organization) -> None:
        User.objects.create(email="a@x.test", last_login=datetime(2026, 3, 1, tzinfo=UTC))
        User.objects.create(email="b@x.test", last_login=datetime(2026, 3, 2, tzinfo=UTC))
        User.objects.create(email="c@x.test")
        columns = [Column("last_login", "Last", order_by="last_login")]
        found = {}
        for sort in ("last_login", "-last_login"):
            request = RequestFactory().get(f"/?sort={sort}")
            found[sort] = [user.email[0] for user in table(request, User.objects.all(), columns=columns).rows]
        assert found == {"last_login": ["a", "b", "c"], "-last_login": ["b", "a", "c"]}


@pytest.mark.usefixtures("contacts")
class TestNarrowing:
    def test_every_word_must_be_found(self) -> None:
        assert names(listed("q=ann+lee")) == ["Ann Lee"]
        assert names(listed("q=ANN", default_sort="email")) == ["Ann Lee", "ann b"]

    def test_a_choice_narrows_and_shows_as_a_chip(self) -> None:
        found = listed("country=US&sort=email")
        assert names(found) == ["Ann Lee", "ann b"]
        assert found.chips == [Chip("Country", "United States", "?sort=email")]

    def test_several_choices_of_one_filter(self) -> None:
        found = listed("country=US&country=CH&sort=name")
        assert names(found) == ["Ann Lee", "Zoe", "ann b"]
        assert [chip.remove for chip in found.chips] == ["?country=CH&sort=name", "?country=US&sort=name"]

    def test_search_and_filters_combine_and_clear_together(self) -> None:
        found = listed("q=ann&country=US&tax=T&sort=name")
        assert names(found) == ["Ann Lee"]
        assert [chip.label for chip in found.chips] == ["Search", "Country", "Tax number"]
        assert found.clear_url == "?sort=name"
        assert found.narrowed

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("country=XX", "Country: there is no 'XX'."),
            ("since=yesterday", "From: 'yesterday' is not a date. Write it like 2026-03-31."),
            ("since=2026-02-30", "From: '2026-02-30' is not a date. Write it like 2026-03-31."),
        ],
    )
    def test_a_value_that_cannot_be_read_is_said_in_words_and_left_out(
        self, query: str, problem: str
    ) -> None:
        found = listed(query)
        assert (found.problems, found.chips, len(found.rows)) == ([problem], [], 4)

    def test_a_value_of_the_wrong_type_is_said_in_words(self) -> None:
        found = listed("org=abc", filters=[Filter("org", "Organization", "organization_id", kind="text")])
        assert found.problems == ["Organization: 'abc' cannot be used here."]
        assert len(found.rows) == 4

    def test_a_nul_in_the_url_does_no_harm(self) -> None:
        assert names(listed("q=Zoe%00&tax=T1%00")) == ["Zoe"]

    def test_a_filter_of_one_s_own(self) -> None:
        own = Filter("domain", "Domain", kind="text", apply=lambda rows, v: rows.filter(email__endswith=v))
        assert names(listed("domain=y.test", filters=[own])) == ["Émile"]

    def test_controls_show_what_is_chosen(self) -> None:
        controls = listed("country=CH&since=2026-01-01").controls
        assert [(c.key, c.kind, c.value, [o.value for o in c.options if o.selected]) for c in controls] == [
            ("country", "choice", "CH", ["CH"]),
            ("tax", "text", "", []),
            ("since", "date", "2026-01-01", []),
        ]


@pytest.mark.usefixtures("contacts")
class TestPages:
    def test_a_short_list_is_paged_with_a_total(self) -> None:
        found = listed("sort=name&page=2", page_size=3)
        assert names(found) == ["Émile"]
        assert found.page is not None
        assert (found.total, found.page.number, found.page.has_next()) == (4, 2, False)

    @pytest.mark.parametrize("page", ["0", "-1", "99", "x"])
    def test_a_page_that_is_not_there_gives_one_that_is(self, page: str) -> None:
        assert len(listed(f"page={page}", page_size=4).rows) == 4

    @pytest.mark.parametrize("sort", ["name", "-name", "email", ""])
    def test_a_long_list_is_walked_without_counting(self, sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = names(listed(f"sort={sort}"))
        monkeypatch.setattr(tables, "COUNT_CAP", 2)
        seen, url = [], f"?sort={sort}"
        while url:
            found = listed(url.removeprefix("?"), page_size=1)
            seen += names(found)
            assert (found.page, found.total) == (None, None)
            url = found.next_url
        assert seen == whole

    def test_a_long_list_with_equal_and_missing_values_is_walked_once(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        same = datetime(2026, 3, 1, 12, tzinfo=UTC)
        for number, last_login in enumerate([same, None, same, None, same]):
            User.objects.create(email=f"{number}@x.test", last_login=last_login)
        monkeypatch.setattr(tables, "COUNT_CAP", 1)
        columns = [Column("last_login", "Last", order_by="last_login")]
        for sort, expected in {"last_login": "02413", "-last_login": "42031"}.items():
            seen, url = "", f"?sort={sort}"
            while url:
                found = table(
                    RequestFactory().get(f"/{url}"), User.objects.all(), columns=columns, page_size=2
                )
                seen += "".join(user.email[0] for user in found.rows)
                url = found.next_url
            assert seen == expected

    def test_a_forged_or_foreign_cursor_starts_at_the_beginning(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tables, "COUNT_CAP", 2)
        cursor = listed("sort=name", page_size=1).next_url.partition("after=")[2]
        first = names(listed("sort=email", page_size=1))
        assert names(listed(f"sort=email&after={cursor}", page_size=1)) == first
        assert names(listed("sort=email&after=rubbish", page_size=1)) == first

    def test_a_page_costs_two_queries(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(2):
            listed("q=ann&country=US&sort=name")


class TestExport:
    def test_what_is_filtered_is_exported_whole_and_in_order(self, contacts: list[Contact]) -> None:
        assert exported("country=US&sort=email", page_size=1) == [
            ["Name", "E-mail", "Country"],
            ["Ann Lee", "ann@x.test", "US"],
            ["ann b", "b@x.test", "US"],
        ]

    def test_headers_make_it_a_download(self, contacts: list[Contact]) -> None:
        response = listed("export=csv", name="contacts").export
        assert response is not None
        assert response["Content-Disposition"] == 'attachment; filename="contacts.csv"'
        assert response["Content-Type"] == "text/csv; charset=utf-8"

    def test_a_formula_in_text_is_disarmed_and_numbers_stay_numbers(self, organization: Organization) -> None:
        Contact.objects.create(organization=organization, name='=HYPERLINK("http://x","y")', email="a,b")
        columns = [
            Column("name", "=Name"),
            Column("email", "E-mail"),
            Column("amount", "Amount", numeric=True, value=lambda row: Decimal("-12.50")),
            Column("secret", "Hidden", exported=False),
        ]
        assert exported(columns=columns) == [
            ["'=Name", "E-mail", "Amount"],
            ['\'=HYPERLINK("http://x","y")', "a,b", "-12.50"],
        ]

    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            ("=1+1", "'=1+1"),
            ("+41 44 123", "'+41 44 123"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("a=1", "a=1"),
            (-5, "-5"),
            (Decimal("1E+3"), "1000"),
            (date(2026, 3, 1), "2026-03-01"),
            (None, ""),
            (True, "yes"),
            ("nul\0", "nul"),
        ],
    )
    def test_cells(self, value: object, cell: str) -> None:
        assert csv_cell(value) == cell

    def test_an_instant_is_written_in_the_active_zone(self, organization: Organization) -> None:
        event = AuditEvent(at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC))
        assert csv_cell(event.at) == "2026-03-01T12:00:00+00:00"
