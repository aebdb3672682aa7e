"""Forms of the books: accounts, manual journal entries, exchange rates, reasons and periods."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.core.files.uploadedfile import UploadedFile

from ledgerhub.access.models import Organization
from ledgerhub.core.days import parse_day
from ledgerhub.core.money import CURRENCIES, Inexact, to_minor
from ledgerhub.ledger.chart import DEFAULT_CHART, MARKETPLACE_TAX
from ledgerhub.ledger.models import Account, ExchangeRate

_ROLES = sorted({row.role for row in (*DEFAULT_CHART, MARKETPLACE_TAX) if row.role} | {"clearing"})
_LARGEST_RATES_FILE = 1024 * 1024
_MOST_RATES = 10_000


class DateInput(forms.DateInput):
    """The browser's own date picker."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


def currencies(organization: Organization, *, empty: str = "") -> list[tuple[str, str]]:
    """Choices with the base currency first."""
    base = organization.base_currency
    rest = [(code, code) for code in sorted(CURRENCIES) if code != base]
    return [*([("", empty)] if empty else []), (base, base), *rest]


def role_words(role: str) -> str:
    """ "tax_payable" -> "Tax payable"."""
    return role.replace("_", " ").capitalize()


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """An account of the chart; what is posted to keeps its type and its currency."""

    role = forms.ChoiceField(
        required=False,
        help_text="What LedgerHub books to it by itself. A role belongs to one account.",
    )

    class Meta:
        model = Account
        fields: ClassVar[list[str]] = ["code", "name", "type", "role", "qualifier", "currency", "description"]
        help_texts: ClassVar[dict[str, Any]] = {
            "code": "A number of your own; accounts are listed by it.",
            "qualifier": "Which gateway or bank, where several accounts share a role: stripe, savings.",
            "currency": "Empty: any currency. Otherwise the account takes only this one.",
        }
        labels: ClassVar[dict[str, Any]] = {"qualifier": "Which one"}

    def __init__(
        self, *args: Any, organization: Organization, has_postings: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        known = sorted({*_ROLES, self.instance.role} - {""})
        self.fields["role"].choices = [  # type: ignore[attr-defined]
            ("", "None"),
            *((role, role_words(role)) for role in known),
        ]
        self.fields["currency"] = forms.ChoiceField(
            required=False,
            choices=currencies(organization, empty="Any"),
            help_text=self.fields["currency"].help_text,
        )
        if has_postings:
            for name in ("type", "currency"):
                self.fields[name].disabled = True
                self.fields[name].help_text = "Fixed: there are entries on this account."

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"]).strip()
        if self._others().filter(code=code).exists():
            raise forms.ValidationError(f"Another account has the code {code}. Choose a free one.")
        return code

    def clean_qualifier(self) -> str:
        """As accounting looks it up: lower case, words joined by underscores."""
        return "_".join(str(self.cleaned_data["qualifier"]).casefold().split())

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        role, qualifier = typed.get("role", ""), typed.get("qualifier", "")
        if role == "clearing" and not qualifier:
            self.add_error("qualifier", "Say which gateway this clearing account is of, for example stripe.")
        other = self._others().filter(role=role, qualifier=qualifier).first() if role else None
        if other is not None:
            which = f"{role_words(role)} ({qualifier})" if qualifier else role_words(role)
            self.add_error("role", f"{other} has the role {which} already. Take it away there first.")
        return typed

    def _others(self) -> Any:
        return Account.objects.filter(organization=self.organization).exclude(pk=self.instance.pk)


class ReversalForm(forms.Form):
    reason = forms.CharField(
        max_length=240, help_text="Kept with the reversal and in the audit trail.", label="Why it is reversed"
    )
    date = forms.DateField(
        required=False,
        widget=DateInput(),
        help_text="Empty: the entry's own day, or the first open one after the lock date.",
    )


class EntryForm(forms.Form):
    """The head of a manual journal entry."""

    date = forms.DateField(widget=DateInput())
    currency = forms.ChoiceField()
    number = forms.CharField(required=False, max_length=120, help_text="Your own reference.")
    memo = forms.CharField(max_length=240, label="What it is for")

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].choices = currencies(organization)  # type: ignore[attr-defined]


class EntryLineForm(forms.Form):
    """One line: an account, and either a debit or a credit in major units."""

    account = forms.ChoiceField()
    debit = forms.DecimalField(required=False, min_value=Decimal(0), max_digits=18, decimal_places=4)
    credit = forms.DecimalField(required=False, min_value=Decimal(0), max_digits=18, decimal_places=4)
    description = forms.CharField(required=False, max_length=240)

    def __init__(self, *args: Any, accounts: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].choices = accounts  # type: ignore[attr-defined]
        for name in ("debit", "credit"):
            self.fields[name].widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        debit, credit = typed.get("debit"), typed.get("credit")
        if not self.errors and bool(debit) == bool(credit):
            self.add_error(
                "debit", "Give a debit or a credit, not both." if debit else "Give a debit or a credit."
            )
        return typed

    def amount(self, currency: str) -> int:
        """Minor units, debit positive; raises Inexact. Call it on a valid form."""
        typed = self.cleaned_data
        return to_minor((typed.get("debit") or Decimal(0)) - (typed.get("credit") or Decimal(0)), currency)


class EntryLines(forms.BaseFormSet):  # type: ignore[type-arg]
    """The lines of a manual entry; an unused row is left out."""

    def filled(self) -> list[EntryLineForm]:
        return [form for form in self.forms if form.has_changed() and form not in self.deleted_forms]

    def amounts(self, currency: str) -> list[int]:
        """What each filled line comes to; a line that cannot be used gets its error."""
        found = []
        for form in self.filled():
            try:
                found.append(form.amount(currency))
            except Inexact as error:
                form.add_error("debit" if form.cleaned_data.get("debit") else "credit", f"{error}.")
        return found


EntryLineSet = forms.formset_factory(
    EntryLineForm, formset=EntryLines, extra=4, max_num=200, can_delete=True, absolute_max=220
)


class RateForm(forms.ModelForm):  # type: ignore[type-arg]
    """One day's rate: base currency for one unit of another."""

    date = forms.DateField(widget=DateInput())

    class Meta:
        model = ExchangeRate
        fields: ClassVar[list[str]] = ["currency", "date", "rate"]

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        base = organization.base_currency
        choices = [("", "Choose"), *((code, code) for code in sorted(CURRENCIES) if code != base)]
        self.fields["currency"] = forms.ChoiceField(choices=choices)
        self.fields["rate"] = forms.DecimalField(
            max_digits=24,
            decimal_places=12,
            label=f"Rate in {base}",
            help_text=f"How many {base} one unit is worth: 1.08 for a euro at 1.08 {base}.",
        )

    def clean_rate(self) -> Decimal:
        rate: Decimal = self.cleaned_data["rate"]
        if rate <= 0:
            raise forms.ValidationError("A rate is greater than zero.")
        return rate


class RatesFileForm(forms.Form):
    file = forms.FileField(
        label="Rates as CSV", help_text="Columns: currency, date (2026-03-31), rate. At most 1 MB."
    )

    def __init__(self, *args: Any, base: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.base = base
        self.fields["file"].widget.attrs["accept"] = ".csv,text/csv"

    def clean_file(self) -> list[ReadRate]:
        """The rates read; every wrong line is an error of its own, and then none is used."""
        rows = list(read_rates(_text(self.cleaned_data["file"]), self.base))
        wrong = [f"Line {row.line}: {row.problem}" for row in rows if row.problem]
        if wrong:
            more = [f"and {len(wrong) - 10} more lines"] if len(wrong) > 10 else []
            raise forms.ValidationError([*wrong[:10], *more])
        if not rows:
            raise forms.ValidationError(
                "There is no rate in this file. The columns are currency, date, rate."
            )
        return rows


class ReadRate(NamedTuple):
    """One line of a rates file, or what is wrong with it."""

    line: int
    currency: str = ""
    date: dt.date = dt.date.min
    rate: Decimal = Decimal(0)
    problem: str = ""


def read_rates(text: str, base: str) -> Iterator[ReadRate]:
    """Lines of `currency,date,rate`; a first line with names in it is skipped."""
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text)), 1):
            named = number == 1 and [cell.strip().lower() for cell in cells[:3]] == [
                "currency",
                "date",
                "rate",
            ]
            if named or not any(cell.strip() for cell in cells):
                continue
            if number > _MOST_RATES:
                yield ReadRate(number, problem=f"a file may hold {_MOST_RATES:,} rates. Split it.")
                return
            yield _read_rate(number, [cell.strip() for cell in cells], base)
    except csv.Error as error:
        yield ReadRate(0, problem=f"this is not a CSV file ({error}).")


def _read_rate(line: int, cells: list[str], base: str) -> ReadRate:
    if len(cells) < 3:
        return ReadRate(line, problem="three columns are needed: currency, date, rate.")
    currency, day = cells[0].upper(), parse_day(cells[1])
    if currency not in CURRENCIES or currency == base:
        return ReadRate(line, problem=f"'{cells[0][:20]}' is not a foreign currency code.")
    if day is None:
        return ReadRate(line, problem=f"'{cells[1][:20]}' is not a date. Write it like 2026-03-31.")
    rate = _decimal(cells[2])
    if rate is None or not 0 < rate < Decimal(10**9):
        return ReadRate(line, problem=f"'{cells[2][:20]}' is not a rate greater than zero.")
    return ReadRate(line, currency, day, rate)


def _text(file: UploadedFile[bytes]) -> str:
    if (file.size or 0) > _LARGEST_RATES_FILE:
        raise forms.ValidationError("The file is larger than 1 MB. Is it a file of rates?")
    try:
        text: str = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise forms.ValidationError(
            "The file is not text in UTF-8. Save it as CSV (UTF-8) and try again."
        ) from None
    return text.replace("\0", "")


def _decimal(text: str) -> Decimal | None:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        return None
    return rate.quantize(Decimal("1e-12")) if rate.is_finite() and abs(rate) < 10**9 else None
