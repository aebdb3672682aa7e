"""The third door: files are checked, kept and imported; nothing twice, nothing lost, everything said."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Sum

from integrations import files, sync
from integrations.models import Incident, Quarantine, RawRecord, StatementLayout, Stream, SyncRun, Upload
from integrations.statements import CsvLayout, StatementError
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger import statement_lines
from ledgerhub.ledger.bank_accounts import open_bank_account
from ledgerhub.ledger.models import Account, Source, Statement, StatementLine
from tests.integrations import bank_files
from tests.integrations.bank_files import (
    AUGUST,
    OCTOBER,
    SEPTEMBER,
    card,
    checking,
    period,
    statement_bytes,
    statement_file,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return bank_files.bank_files(organization)


def give(stream: Stream, account: Account, file: SimpleUploadedFile) -> Upload:
    """Upload and import; a CSV's guessed columns are agreed to."""
    upload, _ = files.receive(stream, account, file, user=None)
    asked = files.question(upload)
    if asked is not None and asked.kind == "columns":
        files.agree_layout(upload, CsvLayout.from_dict(upload.layout))
        asked = files.question(upload)
    assert asked is None
    files.start(upload, user=None)
    return upload


def text_file(text: str, name: str = "lines.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


def amounts(account: Account) -> list[tuple[str, int]]:
    lines = StatementLine.objects.filter(account=account).order_by("date", "pk")
    return [(line.date.isoformat(), line.amount) for line in lines]


def held(account: Account) -> list[tuple[int, bool]]:
    return list(StatementLine.objects.filter(account=account).order_by("pk").values_list("amount", "pending"))


class TestImport:
    @pytest.mark.parametrize("style", ["us", "columns", "german", "ofx1", "ofx2"])
    def test_every_style_gives_the_banks_lines(
        self, organization: Organization, stream: Stream, style: str
    ) -> None:
        account = checking(organization)
        upload = give(stream, account, statement_file(style, SEPTEMBER))
        shown = period(SEPTEMBER)
        expected = sorted((line.date.isoformat(), line.amount) for line, _ in shown.lines)
        assert sorted(amounts(account)) == expected
        assert (upload.state, upload.run.state, upload.run.trigger) == ("imported", "succeeded", "file")
        assert (upload.run.read, upload.run.posted, upload.run.quarantined) == (
            len(expected),
            len(expected),
            0,
        )
        statement = Statement.objects.get()
        assert (statement.closing, statement.lines.count()) == (shown.closing, len(expected))
        assert upload.statement == statement

    def test_raw_records_say_which_file_they_came_from(
        self, organization: Organization, stream: Stream
    ) -> None:
        upload = give(stream, checking(organization), statement_file("us", SEPTEMBER))
        assert set(RawRecord.objects.values_list("origin", flat=True)) == {
            f"upload:{upload.pk} checking-2026-09-us.csv"
        }
        raw = RawRecord.objects.first()
        line = StatementLine.objects.get(identity=raw.external_id)
        assert (line.raw_record_id, raw.payload["account"]) == (raw.pk, "1000")

    @pytest.mark.parametrize("style", ["us", "ofx2"])
    def test_overlapping_months_come_to_the_closing_balance(
        self, organization: Organization, stream: Stream, style: str
    ) -> None:
        account = checking(organization)
        uploads = [
            give(stream, account, statement_file(style, month)) for month in (AUGUST, SEPTEMBER, OCTOBER)
        ]
        first, *_, last = (upload.statement for upload in uploads)
        opening = period(AUGUST).lines[0][1] - period(AUGUST).lines[0][0].amount
        moved = StatementLine.objects.filter(account=account).aggregate(total=Sum("amount"))["total"]
        assert opening + moved == last.closing
        assert [files.check_balance(upload).state for upload in uploads[1:]] == ["ok", "ok"]
        read, new = (sum(getattr(upload.run, name) for upload in uploads) for name in ("read", "posted"))
        assert (read > new, new) == (True, StatementLine.objects.count())
        assert first.lines.count() == uploads[0].run.posted

    def test_equal_twins_survive_and_come_once(self, organization: Organization, stream: Stream) -> None:
        twins = [line.date for line in bank_files.business().bank_lines if line.amount == -475]
        month = twins[0].replace(day=1)
        for start in (month, month + dt.timedelta(days=31)):
            give(stream, card(organization), statement_file("us", start.replace(day=1), card=True))
        found = StatementLine.objects.filter(account=card(organization), amount=-475)
        assert (len(twins), found.count()) == (2, 2)

    def test_more_than_one_page(
        self, organization: Organization, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("integrations.file_pages.PAGE_LINES", 10)
        upload = give(stream, checking(organization), statement_file("ofx1", SEPTEMBER))
        total = len(period(SEPTEMBER).lines)
        assert (upload.run.pages, upload.run.read) == (-(-total // 10), total)
        assert StatementLine.objects.filter(statement=upload.statement).count() == total

    def test_two_bank_accounts_of_one_integration_stay_apart(
        self, organization: Organization, stream: Stream
    ) -> None:
        text = "Date,Description,Amount\n2026-03-02,Coffee,-4.75\n2026-03-03,Coffee,-4.75\n"
        for account in (checking(organization), card(organization)):
            give(stream, account, text_file(text))
        assert amounts(checking(organization)) == amounts(card(organization))
        assert StatementLine.objects.count() == 4


class TestSameFile:
    def test_the_very_same_file_is_the_upload_we_hold(
        self, organization: Organization, stream: Stream
    ) -> None:
        first = give(stream, checking(organization), statement_file("us", AUGUST))
        again, is_new = files.receive(stream, checking(organization), statement_file("us", AUGUST), user=None)
        assert (again.pk, is_new, Upload.objects.count()) == (first.pk, False, 1)

    def test_for_another_account_it_is_another_upload(
        self, organization: Organization, stream: Stream
    ) -> None:
        give(stream, checking(organization), statement_file("us", AUGUST))
        _, is_new = files.receive(stream, card(organization), statement_file("us", AUGUST), user=None)
        assert is_new


class TestColumns:
    def test_columns_once_checked_need_no_second_look(
        self, organization: Organization, stream: Stream
    ) -> None:
        give(stream, checking(organization), statement_file("us", AUGUST))
        upload, _ = files.receive(stream, checking(organization), statement_file("us", SEPTEMBER), user=None)
        assert (files.question(upload), upload.answers) == (None, {"columns": "remembered"})

    def test_a_file_of_another_shape_is_asked_about(self, organization: Organization, stream: Stream) -> None:
        give(stream, checking(organization), statement_file("us", AUGUST))
        upload, _ = files.receive(
            stream, checking(organization), statement_file("german", SEPTEMBER), user=None
        )
        assert files.question(upload) == files.Question("columns")

    def test_what_was_remembered_is_what_was_checked(
        self, organization: Organization, stream: Stream
    ) -> None:
        upload = give(stream, checking(organization), statement_file("columns", AUGUST))
        assert StatementLayout.objects.get(account=checking(organization)).layout == upload.layout


class TestLookalikes:
    def test_another_format_of_the_same_month_is_held_back(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        give(stream, account, statement_file("us", AUGUST))
        before = amounts(account)
        upload = give(stream, account, statement_file("ofx1", AUGUST))
        assert amounts(account) == before
        assert (len(upload.report["alike"]), upload.run.posted) == (len(before), 0)

    def test_the_lines_that_are_new_come_in(self, organization: Organization, stream: Stream) -> None:
        account = checking(organization)
        give(stream, account, statement_file("us", AUGUST))
        upload = give(stream, account, statement_file("ofx1", SEPTEMBER))
        august = {(line.date, line.amount) for line, _ in period(AUGUST).lines}
        fresh = [line for line, _ in period(SEPTEMBER).lines if (line.date, line.amount) not in august]
        assert (upload.run.posted, files.check_balance(upload).state) == (len(fresh), "ok")

    def test_a_person_may_take_them_all_the_same(self, organization: Organization, stream: Stream) -> None:
        account = checking(organization)
        give(stream, account, text_file("Date,Text,Amount\n2026-03-02,BEAN & CO,-4.75\n"))
        upload = give(stream, account, text_file("Date,Text,Amount\n2026-03-02,Bean & Co Seattle,-4.75\n"))
        assert (upload.run.posted, upload.report["alike"]) == (0, [0])
        files.answer(upload, alike=True)
        run = files.start(upload, user=None)
        assert (run.posted, amounts(account)) == (1, [("2026-03-02", -475), ("2026-03-02", -475)])

    def test_a_second_purchase_of_the_same_day_is_none(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        one = "Date,Text,Amount\n2026-03-02,Coffee,-4.75\n"
        give(stream, account, text_file(one))
        upload = give(stream, account, text_file(f"{one}2026-03-02,Tea,-4.75\n"))
        assert (upload.run.posted, upload.report["alike"]) == (1, [])

    def test_another_purchase_in_another_file_is_none(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        give(stream, account, text_file("Date,Text,Amount\n2026-03-02,Coffee,-4.75\n"))
        upload = give(stream, account, text_file("Date,Text,Amount\n2026-03-02,Tea,-4.75\n"))
        assert (upload.run.posted, upload.report["alike"]) == (1, [])

    def test_what_another_source_says_is_for_a_person(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        feed = Source.objects.create(organization=organization, key="feed", label="Feed")
        draft = {"external_id": "t1", "date": dt.date(2026, 3, 2), "currency": "USD", "total": -475}
        statement_lines.store(account, feed, [{**draft, "description": "Coffee"}], raw_record_ids=[None])
        upload = give(stream, account, text_file("Date,Text,Amount\n2026-03-02,Coffee,-4.75\n"))
        assert (upload.run.posted, upload.report["alike"], len(amounts(account))) == (1, [], 2)


def bank_csv(*rows: str) -> SimpleUploadedFile:
    return text_file("Date,Description,Amount,Balance\n" + "".join(f"{row}\n" for row in rows))


WEEK = (
    "2026-03-09,RENT MARCH,-900.00,1100.00",
    "2026-03-10,BEAN & CO,-4.75,1095.25",
    "2026-03-11,PAYROLL 4471,-300.00,795.25",
)


class TestOverlap:
    """Exports that overlap by days, as banks make them: newest first, texts touched up, cut within a day."""

    def test_newest_first_and_other_case(self, organization: Organization, stream: Stream) -> None:
        account = checking(organization)
        give(stream, account, bank_csv(*WEEK))
        before = amounts(account)
        upload = give(stream, account, bank_csv(*reversed(WEEK), "2026-03-08,Shop,-1.00,2000.00"))
        assert (upload.run.posted, len(amounts(account))) == (1, len(before) + 1)

    def test_one_text_was_changed(self, organization: Organization, stream: Stream) -> None:
        account = checking(organization)
        give(stream, account, bank_csv(*WEEK))
        changed = WEEK[2].replace("PAYROLL 4471", "Payroll March ref 4471")
        upload = give(stream, account, bank_csv(WEEK[1], changed, "2026-03-12,BEAN & CO,-4.75,790.50"))
        assert (upload.run.posted, upload.report["alike"]) == (1, [1])
        assert amounts(account) == [
            ("2026-03-09", -90000),
            ("2026-03-10", -475),
            ("2026-03-11", -30000),
            ("2026-03-12", -475),
        ]

    def test_the_second_coffee_of_the_border_day(self, organization: Organization, stream: Stream) -> None:
        """The first export was made at noon; the second shows the whole day."""
        account = checking(organization)
        give(stream, account, bank_csv(*WEEK[:2]))
        give(stream, account, bank_csv(WEEK[1], "2026-03-10,BEAN & CO,-4.75,1090.50"))
        assert [amount for _, amount in amounts(account)] == [-90000, -475, -475]

    def test_the_file_begins_within_the_day(self, organization: Organization, stream: Stream) -> None:
        """Both files show one coffee of the day, and the balances beside them say that it is not the same."""
        account = checking(organization)
        give(stream, account, bank_csv(*WEEK[:2]))
        afternoon = (
            "2026-03-10,SHELL OIL,-50.00,1045.25",
            "2026-03-10,BEAN & CO,-4.75,1040.50",
            "2026-03-11,PAYROLL 4471,-300.00,740.50",
        )
        give(stream, account, bank_csv(*afternoon))
        wanted = [-90000, -5000, -475, -475, -30000]
        assert sorted(amount for _, amount in amounts(account)) == sorted(wanted)
        give(stream, account, bank_csv(*WEEK[:2], *afternoon))
        give(stream, account, bank_csv(*afternoon, "2026-03-12,SHOP,-1.00,739.50"))
        assert sorted(amount for _, amount in amounts(account)) == sorted([*wanted, -100])

    def test_balances_that_were_worked_out_anew_prove_nothing(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        give(stream, account, bank_csv(*WEEK))
        again = tuple(row.rsplit(",", 1)[0] for row in WEEK)
        shifted = [
            f"{row},{balance}" for row, balance in zip(again, ("1090.01", "1085.26", "785.26"), strict=True)
        ]
        upload = give(stream, account, bank_csv(*shifted))
        assert (upload.run.posted, len(amounts(account))) == (0, 3)

    def test_two_coffees_and_an_overlap_that_shows_one(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        two = ("2026-03-10,BEAN & CO,-4.75,", "2026-03-10,BEAN & CO,-4.75,")
        give(stream, account, bank_csv(*two))
        give(stream, account, bank_csv(two[0], "2026-03-11,SHOP,-1.00,"))
        give(stream, account, bank_csv(*two, "2026-03-11,SHOP,-1.00,"))
        assert [amount for _, amount in amounts(account)] == [-475, -475, -100]


class TestPending:
    @pytest.mark.parametrize(
        ("head", "word"), [("Status", "Pending"), ("Status", "vorgemerkt"), ("Umsatz Status", "ausstehend")]
    )
    def test_pending_lines_count_once_they_are_booked(
        self, organization: Organization, stream: Stream, head: str, word: str
    ) -> None:
        account = checking(organization)
        first = f"Date,Text,Amount,{head}\n2026-03-02,Coffee,-4.75,Posted\n2026-03-03,Hotel,-90.00,{word}\n"
        upload = give(stream, account, text_file(first))
        assert (upload.report["lines"], upload.report["pending"], upload.report["total"]) == (1, 1, -475)
        assert held(account) == [(-475, False), (-9000, True)]
        give(stream, account, text_file(first.replace(word, "Posted")))
        assert held(account) == [(-475, False), (-9000, False)]
        hotel = StatementLine.objects.get(amount=-9000)
        assert [version.pending for version in hotel.history.all()] == [True]

    def test_a_pending_twin_does_not_take_the_number_of_a_booked_one(
        self, organization: Organization, stream: Stream
    ) -> None:
        account = checking(organization)
        head, coffee = "Date,Text,Amount,Status\n", "2026-03-02,Coffee,-4.75,"
        give(stream, account, text_file(f"{head}{coffee}Posted\n"))
        give(stream, account, text_file(f"{head}{coffee}Pending\n{coffee}Posted\n"))
        assert held(account) == [(-475, False), (-475, True)]
        give(stream, account, text_file(f"{head}{coffee}Posted\n{coffee}Posted\n"))
        assert held(account) == [(-475, False), (-475, False)]

    def test_pending_lines_of_ofx(self, organization: Organization, stream: Stream) -> None:
        account = checking(organization)
        data = statement_bytes("ofx1", AUGUST)
        pending = b"<STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20260831<TRNAMT>-40.00<NAME>BISTRO</STMTTRNP>"
        place = data.index(b"</BANKTRANLIST>")
        upload = give(
            stream, account, SimpleUploadedFile("pending.ofx", data[:place] + pending + data[place:])
        )
        assert (upload.report["pending"], StatementLine.objects.get(pending=True).amount) == (1, -4000)


class TestWrongFiles:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "This file is empty. Download the statement again as CSV or OFX."),
            (
                b"%PDF-1.7 ...",
                "This file is a PDF, not a CSV. Download the statement as CSV or OFX from your bank.",
            ),
            (
                b"\x89PNG\r\n\x1a\n....",
                "This file is an image, not a CSV. Download the statement as CSV or OFX from your bank.",
            ),
            (
                b"PK\x03\x04....",
                "This file is an Excel workbook or a ZIP archive, not a CSV. "
                "Download the statement as CSV or OFX from your bank.",
            ),
        ],
    )
    def test_words_and_nothing_kept(
        self, organization: Organization, stream: Stream, data: bytes, words: str
    ) -> None:
        with pytest.raises(StatementError) as refused:
            files.receive(stream, checking(organization), ContentFile(data, "x.csv"), user=None)
        assert (str(refused.value), Upload.objects.count()) == (words, 0)

    def test_too_large_is_refused_unread(self, organization: Organization, stream: Stream, settings) -> None:  # type: ignore[no-untyped-def]
        settings.UPLOAD_MAX_BYTES = 1024 * 1024
        file = ContentFile(b"a,b\n" * 400_000, "big.csv")
        with pytest.raises(
            StatementError, match=r"This file has 1\.5 MB; 1 MB is the most a statement may have"
        ):
            files.receive(stream, checking(organization), file, user=None)

    def test_a_statement_in_another_currency(self, organization: Organization, stream: Stream) -> None:
        euros = open_bank_account(organization, name="Euro account", currency="EUR")
        upload, _ = files.receive(stream, euros, statement_file("ofx1", AUGUST), user=None)
        with pytest.raises(StatementError, match="This statement is in USD, but 1001 Euro account holds EUR"):
            files.start(upload, user=None)
        assert (StatementLine.objects.count(), SyncRun.objects.count()) == (0, 0)

    def test_wrong_rows_do_not_lose_the_others(self, organization: Organization, stream: Stream) -> None:
        text = "Date,Description,Amount\n2026-03-02,Coffee,-4.75\n2026-13-45,Tea,-3.00\n2026-03-04,Milk,abc\n"
        upload = give(stream, checking(organization), text_file(text))
        assert amounts(checking(organization)) == [("2026-03-02", -475)]
        assert upload.report["wrong"] == 2
        assert [row for row, _, _ in upload.report["problems"]] == [3, 4]

    def test_an_amount_finer_than_the_currency_waits_in_quarantine(
        self, organization: Organization, stream: Stream
    ) -> None:
        text = "Date,Description,Amount\n2026-03-02,Coffee,-4.75\n2026-03-03,Gas,-3.001\n"
        upload = give(stream, checking(organization), text_file(text))
        assert (upload.run.posted, upload.run.quarantined) == (1, 1)
        ((target, source, message),) = Quarantine.objects.get().errors
        assert (target, source) == ("bank_transaction.total", "amount")
        assert message.startswith("-3.001 has more decimals than USD allows (2)")


class TestWhichAccount:
    def test_a_file_of_another_account_is_asked_about(
        self, organization: Organization, stream: Stream
    ) -> None:
        give(stream, checking(organization), statement_file("ofx1", AUGUST))
        give(stream, card(organization), statement_file("ofx1", AUGUST, card=True))
        wrong = statement_file("ofx1", SEPTEMBER, card=True)
        upload, _ = files.receive(stream, checking(organization), wrong, user=None)
        asked = files.question(upload)
        assert asked is not None
        assert (asked.kind, asked.text) == (
            "number",
            "This file is of the bank account 5550001290239023, but the files of 1000 Checking account so "
            "far were of 000123454417. Files of that account went to 2050 Company credit card before.",
        )
        files.answer(upload, number=True)
        assert files.question(upload) is None

    def test_numbers_are_told_apart_by_their_end(self) -> None:
        assert files.same_number("DE89 3704 0044 0532 0130 00", "0532013000")
        assert not files.same_number("000123454417", "5550001290239023")

    def test_a_file_of_two_accounts(self, organization: Organization, stream: Stream) -> None:
        upload, _ = files.receive(stream, checking(organization), two_accounts(), user=None)
        asked = files.question(upload)
        assert asked is not None
        assert (asked.kind, asked.choices) == (
            "part",
            ((0, "000123454417, 1 lines"), (1, "5550001290239023, 2 lines")),
        )
        files.answer(upload, part=1)
        files.start(upload, user=None)
        assert len(amounts(checking(organization))) == 2


def two_accounts() -> SimpleUploadedFile:
    def lines(*amounts: str) -> str:
        return "".join(
            f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260302<TRNAMT>{amount}<FITID>{place}<NAME>Shop</STMTTRN>"
            for place, amount in enumerate(amounts)
        )

    def statement(number: str, body: str) -> str:
        return (
            f"<STMTTRNRS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>{number}<ACCTTYPE>CHECKING"
            f"</BANKACCTFROM><BANKTRANLIST>{body}</BANKTRANLIST></STMTRS></STMTTRNRS>"
        )

    text = statement("000123454417", lines("-1.00")) + statement("5550001290239023", lines("-2.00", "-3.00"))
    header = "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\n\r\n"
    return text_file(f"{header}<OFX><BANKMSGSRSV1>{text}</BANKMSGSRSV1></OFX>", "both.ofx")


class TestInterruption:
    def test_killed_between_two_pages_the_import_goes_on_where_it_stopped(
        self, organization: Organization, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("integrations.file_pages.PAGE_LINES", 10)
        monkeypatch.setattr("integrations.sync.SLICE_SECONDS", -1.0)
        upload, _ = files.receive(
            stream, checking(organization), statement_file("ofx1", SEPTEMBER), user=None
        )
        run = files.start(upload, user=None)
        assert (run.state, run.checkpoint, upload.state) == (
            "running",
            {"upload": upload.pk, "line": 10},
            "layout",
        )
        monkeypatch.setattr("integrations.sync.SLICE_SECONDS", 40.0)
        sync.run_slice(run.pk)
        run.refresh_from_db()
        upload.refresh_from_db()
        total = len(period(SEPTEMBER).lines)
        assert (run.state, run.read, upload.state) == ("succeeded", total, "imported")
        assert StatementLine.objects.count() == total

    def test_two_imports_at_once_are_refused_in_words(
        self, organization: Organization, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("integrations.file_pages.PAGE_LINES", 10)
        monkeypatch.setattr("integrations.sync.SLICE_SECONDS", -1.0)
        one, _ = files.receive(stream, checking(organization), statement_file("ofx1", AUGUST), user=None)
        files.start(one, user=None)
        other, _ = files.receive(stream, checking(organization), statement_file("ofx1", OCTOBER), user=None)
        with pytest.raises(ConfigError, match="Another import of this integration is running"):
            files.start(other, user=None)
        assert SyncRun.objects.count() == 1

    def test_importing_again_changes_nothing(self, organization: Organization, stream: Stream) -> None:
        upload = give(stream, checking(organization), statement_file("us", AUGUST))
        before = amounts(checking(organization))
        run = files.start(upload, user=None)
        assert (run.posted, run.state, amounts(checking(organization))) == (0, "succeeded", before)
        assert (Statement.objects.count(), Incident.objects.count()) == (1, 0)


class TestBalance:
    def test_a_missing_line_is_seen(self, organization: Organization, stream: Stream) -> None:
        text = (
            "Opening balance,,100.00\nDate,Description,Amount\n2026-03-02,Coffee,-4.75\n"
            "Closing balance,,90.00\n"
        )
        upload = give(stream, checking(organization), text_file(text))
        check = files.check_balance(upload)
        assert (check.state, check.difference) == ("difference", -525)

    def test_a_gap_between_two_files_is_seen(self, organization: Organization, stream: Stream) -> None:
        give(stream, checking(organization), statement_file("ofx1", AUGUST))
        upload = give(stream, checking(organization), statement_file("ofx1", OCTOBER))
        check = files.check_balance(upload)
        missing = period(SEPTEMBER).lines
        lost = sum(line.amount for line, _ in missing if line.date >= SEPTEMBER and line.date.day <= 25)
        assert (check.state, check.difference) == ("difference", lost)
