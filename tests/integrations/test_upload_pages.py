"""Pages of statement files: upload, columns, questions, results; who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from integrations import column_forms, files
from integrations.column_forms import ColumnsForm
from integrations.models import StatementLayout, Stream, SyncRun, Upload
from integrations.statements import guess_layout
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account, StatementLine
from tests.integrations import bank_files
from tests.integrations.bank_files import (
    AUGUST,
    SEPTEMBER,
    card,
    checking,
    period,
    statement_bytes,
    statement_file,
)

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FILES = "/o/corner-shop/integrations/files/"


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return bank_files.bank_files(organization)


def uploads_url(stream: Stream) -> str:
    return f"/o/corner-shop/integrations/{stream.integration_id}/files/"


def give(client: Client, stream: Stream, account: Account, file: SimpleUploadedFile, **more: str) -> Any:
    data = {"file": file, "bank_account": str(account.pk), "new_currency": "USD", "new_kind": "bank", **more}
    return client.post(uploads_url(stream), data, follow=True)


def form_data(form: ColumnsForm) -> dict[str, Any]:
    """What a browser would send for a form nobody has touched."""
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False)}


def sent(values: dict[str, Any]) -> QueryDict:
    """Form values as a request holds them."""
    found = QueryDict(mutable=True)
    for name, value in values.items():
        found.setlist(name, [str(one) for one in value] if isinstance(value, list) else [str(value)])
    return found


def words(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


class TestUpload:
    def test_ofx_is_imported_at_once(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        page = give(signed_in(bookkeeper), stream, checking(organization), statement_file("ofx1", AUGUST))
        upload = Upload.objects.get()
        total = len(period(AUGUST).lines)
        assert page.redirect_chain == [(f"{FILES}{upload.pk}/", 302)]
        assert (page.context["known"], page.context["run"].posted, StatementLine.objects.count()) == (
            0,
            total,
            total,
        )
        assert f"{total} new lines, 0 known already, for 1000 Checking account." in " ".join(
            page.content.decode().split()
        )
        assert list(AuditEvent.objects.order_by("pk").values_list("action", "actor")) == [
            ("file.uploaded", bookkeeper.pk),
            ("file.imported", bookkeeper.pk),
        ]

    def test_csv_goes_to_its_columns_then_in(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        page = give(client, stream, checking(organization), statement_file("german", AUGUST))
        upload = Upload.objects.get()
        assert page.redirect_chain == [(f"{FILES}{upload.pk}/columns/", 302)]
        shown = [minor for _, minor, _ in page.context["preview"].lines]
        assert shown == [line.amount for line, _ in reversed(period(AUGUST).lines)][: len(shown)]
        assert StatementLine.objects.count() == 0
        data = form_data(page.context["form"]) | {"step": "import"}
        page = client.post(f"{FILES}{upload.pk}/columns/", data, follow=True)
        assert page.redirect_chain == [(f"{FILES}{upload.pk}/", 302)]
        assert StatementLine.objects.count() == len(period(AUGUST).lines)
        page = give(client, stream, checking(organization), statement_file("german", SEPTEMBER))
        assert [url for url, _ in page.redirect_chain] == [f"{FILES}{Upload.objects.latest('pk').pk}/"]
        assert page.context["check"].state == "ok"

    def test_the_very_same_file_again(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        give(client, stream, checking(organization), statement_file("ofx1", AUGUST))
        page = give(client, stream, checking(organization), statement_file("ofx1", AUGUST))
        assert words(page) == ["This very file was imported before. Nothing was imported twice."]
        assert (Upload.objects.count(), SyncRun.objects.count()) == (1, 1)

    def test_for_a_new_account(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        data = {
            "file": statement_file("ofx1", AUGUST),
            "bank_account": "new",
            "new_name": "Reserve",
            "new_kind": "bank",
            "new_currency": "USD",
        }
        signed_in(bookkeeper).post(uploads_url(stream), data)
        assert str(Upload.objects.get().account) == "1001 Reserve"
        assert StatementLine.objects.filter(account__code="1001").exists()

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b"", "This file is empty. Download the statement again as CSV or OFX."),
            (
                b"%PDF-1.7 ...",
                "This file is a PDF, not a CSV. Download the statement as CSV or OFX from your bank.",
            ),
        ],
    )
    def test_a_wrong_file_is_refused_beside_the_field(
        self,
        organization: Organization,
        stream: Stream,
        bookkeeper: User,
        signed_in: SignIn,
        data: bytes,
        error: str,
    ) -> None:
        file = SimpleUploadedFile("x.csv", data)
        page = give(signed_in(bookkeeper), stream, checking(organization), file)
        assert (page.status_code, page.context["form"].errors) == (422, {"file": [error]})
        assert Upload.objects.count() == 0

    def test_a_wrong_file_makes_no_account(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        data = {
            "file": SimpleUploadedFile("x.pdf", b"%PDF-1.7"),
            "bank_account": "new",
            "new_name": "Nothing",
        }
        signed_in(bookkeeper).post(uploads_url(stream), {**data, "new_kind": "bank", "new_currency": "USD"})
        assert not Account.objects.filter(name="Nothing").exists()

    def test_too_large_and_nothing_chosen(
        self, stream: Stream, bookkeeper: User, signed_in: SignIn, settings: Settings
    ) -> None:
        settings.UPLOAD_MAX_BYTES = 1024
        client = signed_in(bookkeeper)
        page = give(client, stream, checking(stream.integration.organization), statement_file("us", AUGUST))
        assert page.context["form"].errors["file"][0].startswith("This file has 0.0 MB; 0 MB is the most")
        page = client.post(uploads_url(stream), {})
        assert page.context["form"].errors == {
            "file": ["Choose the file you downloaded from your bank."],
            "bank_account": ["Choose the bank account this statement is of."],
        }

    def test_the_wrong_currency_is_said_on_its_page(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        Account.objects.filter(code="1000").update(currency="EUR")
        page = give(signed_in(bookkeeper), stream, checking(organization), statement_file("ofx1", AUGUST))
        assert "This statement is in USD, but 1000 Checking account holds EUR." in page.content.decode()
        assert (Upload.objects.get().state, StatementLine.objects.count()) == ("failed", 0)


class TestColumns:
    @pytest.mark.parametrize("style", ["us", "columns", "german"])
    def test_an_untouched_form_is_the_guess(self, style: str) -> None:
        data = statement_bytes(style, AUGUST)
        guess = guess_layout(data)
        form = ColumnsForm(sent(form_data(ColumnsForm(file=data, layout=guess))), file=data, layout=guess)
        assert form.is_valid(), form.errors
        assert form.layout().to_dict() == guess.to_dict()

    def test_columns_by_hand_where_nothing_could_be_guessed(self) -> None:
        data = b"a;b;c\nx;2.3.2026;4,75-\ny;3.3.2026;12,00-\n"
        start = column_forms.starting_layout(data)
        chosen = {"encoding": "utf-8", "delimiter": ";", "header": "1", "date": "1", "date_order": "DMY"}
        chosen |= {"decimal": ",", "amount": "2", "description": "0"}
        form = ColumnsForm(sent(chosen), file=data, layout=start)
        assert form.is_valid(), form.errors
        layout = form.layout()
        assert (layout.names, layout.dates, layout.amount, layout.description) == (
            ("a", "b", "c"),
            (1,),
            2,
            (0,),
        )

    def test_another_delimiter_asks_for_the_columns_again(self) -> None:
        data = statement_bytes("german", AUGUST)
        guess = guess_layout(data)
        values = form_data(ColumnsForm(file=data, layout=guess)) | {"delimiter": "|"}
        form = ColumnsForm(sent(values), file=data, layout=guess)
        assert form.errors == {
            "amount": ["Say which column holds the amount, or which hold money out and money in."]
        }
        assert form.rare_changed

    def test_a_codec_from_elsewhere_is_not_tried(self) -> None:
        data = statement_bytes("us", AUGUST)
        guess = guess_layout(data)
        values = form_data(ColumnsForm(file=data, layout=guess)) | {"encoding": "zlib", "delimiter": "\r"}
        assert set(ColumnsForm(sent(values), file=data, layout=guess).errors) == {"encoding", "delimiter"}

    def test_neither_amount_nor_sides(self) -> None:
        data = statement_bytes("us", AUGUST)
        guess = guess_layout(data)
        values = form_data(ColumnsForm(file=data, layout=guess)) | {"amount": ""}
        assert ColumnsForm(sent(values), file=data, layout=guess).errors == {
            "amount": ["Say which column holds the amount, or which hold money out and money in."]
        }

    def test_doubts_are_said(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        file = SimpleUploadedFile("x.csv", b"Date,Text,Amount\n03/04/2026,Tea,-4.75\n05/06/2026,Milk,-3.00\n")
        page = give(signed_in(bookkeeper), stream, checking(organization), file)
        (doubt,) = page.context["doubts"]
        assert escape(doubt) in page.content.decode()

    def test_the_preview_follows_the_form(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        file = SimpleUploadedFile("x.csv", b"Date,Text,Amount\n03/04/2026,Tea,-4.75\n")
        page = give(client, stream, checking(organization), file)
        upload = Upload.objects.get()
        values = form_data(page.context["form"])
        for order, expected in (("DMY", "2026-04-03"), ("MDY", "2026-03-04")):
            page = client.post(
                f"{FILES}{upload.pk}/columns/",
                {**values, "date_order": order},
                headers={"HX-Request": "true"},
            )
            assert page.content.decode().strip().startswith("<form")
            assert [str(line.date) for line, _, _ in page.context["preview"].lines] == [expected]
        page = client.post(f"{FILES}{upload.pk}/columns/", {**values, "turned": "on", "step": "preview"})
        assert [minor for _, minor, _ in page.context["preview"].lines] == [475]
        assert (StatementLayout.objects.count(), StatementLine.objects.count()) == (0, 0)

    def test_what_the_form_lacks_is_422_when_importing(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        page = give(client, stream, checking(organization), statement_file("us", AUGUST))
        values = form_data(page.context["form"]) | {"date": "", "step": "import"}
        page = client.post(f"{FILES}{Upload.objects.get().pk}/columns/", values)
        assert (page.status_code, StatementLine.objects.count()) == (422, 0)


class TestQuestions:
    def test_another_account_is_asked_about_then_imported(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        give(client, stream, checking(organization), statement_file("ofx1", AUGUST))
        page = give(client, stream, checking(organization), statement_file("ofx1", AUGUST, card=True))
        assert "Is this the right account?" in page.content.decode()
        before = StatementLine.objects.count()
        upload = Upload.objects.latest("pk")
        client.post(f"{FILES}{upload.pk}/answer/", {"number": "yes"})
        assert StatementLine.objects.count() == before + len(period(AUGUST, card=True).lines)

    def test_lookalikes_are_shown_and_taken_on_request(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        give(client, stream, card(organization), statement_file("ofx1", SEPTEMBER, card=True))
        page = give(client, stream, card(organization), statement_file("us", SEPTEMBER, card=True))
        upload = Upload.objects.latest("pk")
        values = form_data(page.context["form"]) | {"step": "import"}
        page = client.post(f"{FILES}{upload.pk}/columns/", values, follow=True)
        total = len(period(SEPTEMBER, card=True).lines)
        assert (page.context["alike"], StatementLine.objects.count()) == (total, total)
        page = client.post(f"{FILES}{upload.pk}/answer/", {"alike": "yes"}, follow=True)
        assert (page.context["alike"], StatementLine.objects.count()) == (0, 2 * total)
        assert AuditEvent.objects.filter(action="file.lookalikes_imported").count() == 1

    def test_a_failed_file_can_be_tried_again(
        self, organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        Account.objects.filter(code="1000").update(currency="EUR")
        give(client, stream, checking(organization), statement_file("ofx1", AUGUST))
        Account.objects.filter(code="1000").update(currency="")
        upload = Upload.objects.get()
        client.post(f"{FILES}{upload.pk}/answer/")
        upload.refresh_from_db()
        assert (upload.state, StatementLine.objects.count()) == ("imported", len(period(AUGUST).lines))


class TestResult:
    def test_wrong_rows_stand_there_with_their_reasons(
        self, organization: Organization, stream: Stream, bookkeeper: User, viewer: User, signed_in: SignIn
    ) -> None:
        client = signed_in(bookkeeper)
        text = b"Date,Text,Amount\n2026-03-02,Tea,-4.75\n2026-03-03,Milk,abc\n2026-03-04,Gas,-3.001\n"
        page = give(client, stream, checking(organization), SimpleUploadedFile("x.csv", text))
        upload = Upload.objects.get()
        client.post(f"{FILES}{upload.pk}/columns/", form_data(page.context["form"]) | {"step": "import"})
        page = signed_in(viewer).get(f"{FILES}{upload.pk}/")
        body = " ".join(page.content.decode().split())
        assert "1 new line, 0 known already, 2 wrong, for 1000 Checking account." in body
        assert "line 3" in body
        assert "-3.001 has more decimals than USD allows (2)" in body

    def test_while_it_runs_the_page_asks_again(
        self,
        organization: Organization,
        stream: Stream,
        bookkeeper: User,
        signed_in: SignIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("integrations.file_pages.PAGE_LINES", 5)
        monkeypatch.setattr("integrations.sync.SLICE_SECONDS", -1.0)
        client = signed_in(bookkeeper)
        page = give(client, stream, checking(organization), statement_file("ofx1", AUGUST))
        assert 'hx-trigger="every 2s"' in page.content.decode()
        upload = Upload.objects.get()
        page = client.get(f"{FILES}{upload.pk}/", headers={"HX-Request": "true"})
        assert page.content.decode().strip().startswith('<div id="state"')

    def test_queries(
        self,
        organization: Organization,
        stream: Stream,
        bookkeeper: User,
        signed_in: SignIn,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client = signed_in(bookkeeper)
        for month in (AUGUST, SEPTEMBER):
            give(client, stream, checking(organization), statement_file("ofx1", month))
        with django_assert_max_num_queries(20):
            client.get(uploads_url(stream))
        with django_assert_max_num_queries(20):
            client.get(f"{FILES}{Upload.objects.latest('pk').pk}/")


class TestWhoMay:
    @pytest.fixture
    def upload(self, organization: Organization, stream: Stream) -> Upload:
        upload, _ = files.receive(stream, checking(organization), statement_file("us", AUGUST), user=None)
        return upload

    def test_a_viewer_reads(self, upload: Upload, stream: Stream, viewer: User, signed_in: SignIn) -> None:
        client = signed_in(viewer)
        assert client.get(uploads_url(stream)).status_code == 200
        assert client.get(f"{FILES}{upload.pk}/").status_code == 200
        assert client.get(f"{FILES}{upload.pk}/columns/").status_code == 403
        assert client.post(f"{FILES}{upload.pk}/answer/").status_code == 403
        assert client.post(uploads_url(stream), {}).status_code == 403

    def test_outsiders_find_nothing(
        self, upload: Upload, stream: Stream, outsider: User, signed_in: SignIn
    ) -> None:
        client = signed_in(outsider)
        theirs = outsider.memberships.get()
        theirs.role = "admin"
        theirs.save()
        for path in (uploads_url(stream), f"{FILES}{upload.pk}/", f"{FILES}{upload.pk}/columns/"):
            assert client.get(path).status_code == 404
            assert client.get(path.replace("corner-shop", theirs.organization.slug)).status_code == 404
        own = f"{FILES}{upload.pk}/answer/".replace("corner-shop", theirs.organization.slug)
        assert client.post(own).status_code == 404

    def test_systems_that_take_no_files(
        self, organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
    ) -> None:
        stream.integration.streams.update(enabled=False)
        assert signed_in(viewer).get(uploads_url(stream)).status_code == 404
