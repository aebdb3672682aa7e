"""What the page of a line sends: ticked rows, amounts of documents, parts of a split -> a Selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict

from ledgerhub.access.models import Organization
from ledgerhub.core.money import allocate, from_minor
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import open_rows
from reconciliation.amounts import NoAmount, parse_amount, parse_percent
from reconciliation.differences import ROLES, difference_coding, limits
from reconciliation.models import Match
from reconciliation.selection import Coding, Payment, Selection, contact_of

_GONE = "{count} of the ticked rows can no longer be matched: somebody took them, or their record changed."
_SHARE = 10**6


class AccountChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Account) -> str:
        return f"{obj.code} {obj.name}"


def bookable(bank: Account) -> QuerySet[Account]:
    """Accounts a bank line can be booked to."""
    rows = Account.objects.filter(organization_id=bank.organization_id, archived_at__isnull=True)
    return rows.exclude(pk=bank.pk).order_by("code")


class CodingForm(forms.Form):
    """One part: an account and an amount, a percentage, or nothing for the rest."""

    account = AccountChoice(queryset=Account.objects.none(), required=False, empty_label="Choose an account")
    amount = forms.CharField(required=False, max_length=24, label="Amount")
    description = forms.CharField(required=False, max_length=240, label="Text")

    def __init__(self, *args: Any, choices: list[tuple[Any, str]], bank: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = bookable(bank)  # type: ignore[attr-defined]
        # The same list serves every row: read once, not once a row.
        self.fields["account"].widget.choices = choices
        self.fields["amount"].widget.attrs |= {
            "placeholder": "the rest",
            "class": "num",
            "inputmode": "decimal",
        }
        self.fields["description"].widget.attrs["placeholder"] = "Text of the bank line"


_Codings = formset_factory(CodingForm, extra=0, max_num=50, absolute_max=60)


def coding_formset(bank: Account, data: QueryDict | None = None, *, rows: int = 1) -> BaseFormSet[CodingForm]:
    accounts: list[tuple[Any, str]] = [("", "Choose an account")]
    accounts += [(account.pk, str(account)) for account in bookable(bank)]
    initial: list[dict[str, Any]] | None = None if data is not None else [{} for _ in range(rows)]
    kwargs = {"choices": accounts, "bank": bank}
    return _Codings(data, prefix="coding", initial=initial, form_kwargs=kwargs)


def fill_codings(data: QueryDict, currency: str, made: Match) -> None:
    """Put what a proposal books to accounts into the fields of the page, as if it had been typed."""
    rows = list(made.codings.all())
    if not rows:
        return
    sign = -1 if sum(row.amount for row in rows) < 0 else 1
    data["coding-TOTAL_FORMS"], data["coding-INITIAL_FORMS"] = str(len(rows)), "0"
    for number, row in enumerate(rows):
        data[f"coding-{number}-account"] = str(row.account_id)
        data[f"coding-{number}-amount"] = str(from_minor(sign * row.amount, currency))
        data[f"coding-{number}-description"] = row.description
    data["contact"] = contact_of(rows)


def difference_accounts(organization: Organization) -> list[Account]:
    rows = Account.objects.filter(organization=organization, role__in=ROLES, archived_at__isnull=True)
    return sorted(rows, key=lambda account: ROLES.index(account.role))


@dataclass
class LineInput:
    """What a person has put together for a line so far, and what of it could not be read, in words."""

    selection: Selection
    codings: BaseFormSet[CodingForm]
    problems: list[str] = field(default_factory=list)
    amount_texts: dict[str, str] = field(default_factory=dict)
    difference_to: str = ""

    @property
    def chosen(self) -> set[str]:
        return set(self.selection.row_amounts())


def read_line(account: Account, line: StatementLine, data: QueryDict) -> LineInput:
    """Reads ticked rows (`row`; `choice`: several), `amount-D1`, codings, `difference_to` and `contact`."""
    given = LineInput(
        Selection(account=account, lines=[line], contact_name=data.get("contact", "").strip()[:200]),
        coding_formset(account, data if "coding-TOTAL_FORMS" in data else None),
        difference_to=data.get("difference_to", ""),
    )
    _take_rows(given, line, _row_ids(data), data)
    if given.codings.is_bound:
        _take_codings(given)
    _take_difference(given)
    return given


def _row_ids(data: QueryDict) -> dict[str, set[int]]:
    ids: dict[str, set[int]] = {"L": set(), "P": set(), "D": set()}
    for text in [*data.getlist("row"), *data.get("choice", "").split(",")]:
        if text[:1] in ids and text[1:].isdecimal() and len(text) < 20:
            ids[text[0]].add(int(text[1:]))
    return ids


def _take_rows(given: LineInput, line: StatementLine, ids: dict[str, set[int]], data: QueryDict) -> None:
    selection, account = given.selection, given.selection.account
    others = ids["L"] - {line.pk}
    if others:
        selection.lines += open_rows.lines(account).filter(pk__in=others)
    if ids["P"]:
        rows = open_rows.postings(account).filter(pk__in=ids["P"])
        selection.postings = list(rows.select_related("entry__document__contact"))
    for document in open_rows.open_ones(account, ids["D"]).values():
        selection.payments.append(_payment(given, document, data))
    gone = len(others) + len(ids["P"]) + len(ids["D"]) + 1 - len(selection.row_amounts())
    if gone > 0:
        given.problems.append(_GONE.format(count=gone))


def _payment(given: LineInput, document: open_rows.OpenDocument, data: QueryDict) -> Payment:
    """The document with the amount typed; typed amounts have no sign, the document's is meant."""
    row_id = f"D{document.document.pk}"
    text = data.get(f"amount-{row_id}", "").strip()
    if not text:
        return Payment(document, document.amount)
    given.amount_texts[row_id] = text[:24]
    try:
        size = abs(parse_amount(text, document.document.currency))
    except NoAmount as error:
        given.problems.append(f"{document.document}: {error}")
        return Payment(document, document.amount)
    return Payment(document, size if document.amount > 0 else -size)


def _take_codings(given: LineInput) -> None:
    if not given.codings.is_valid():
        given.problems += _words(given.codings)
        return
    rows = [form.cleaned_data for form in given.codings if form.cleaned_data.get("account")]
    if any(
        form.cleaned_data.get("amount") and not form.cleaned_data.get("account") for form in given.codings
    ):
        given.problems.append("A part has an amount but no account: choose what it is booked to.")
    try:
        amounts = share(given.selection.to_code, [row["amount"] for row in rows], _currency(given))
    except NoAmount as error:
        given.problems.append(str(error))
        return
    given.selection.codings = [
        Coding(row["account"], amount, row["description"]) for row, amount in zip(rows, amounts, strict=True)
    ]


def _words(formset: BaseFormSet[CodingForm]) -> list[str]:
    found = [str(error) for error in formset.non_form_errors()]
    for number, form in enumerate(formset, 1):
        found += [f"Part {number}: {error}" for name in form.errors for error in form.errors[name]]
    return found


def _currency(given: LineInput) -> str:
    return open_rows.currency_of(given.selection.account)


def share(total: int, texts: Sequence[str], currency: str) -> list[int]:
    """Typed parts of `total`, signed as it: amounts, percentages of it, one blank for the rest.

    Percentages are shared by largest remainder, so that parts of 100% come to exactly the total.
    """
    sign = -1 if total < 0 else 1
    percents = [parse_percent(text) for text in texts]
    parts = _percent_parts(total, percents)
    for position, text in enumerate(texts):
        if text.strip() and percents[position] is None:
            parts[position] = sign * parse_amount(text, currency)
    blank = [position for position, part in enumerate(parts) if part is None]
    if len(blank) > 1:
        raise NoAmount("Only one part can take the rest: give the others an amount or a percentage.")
    known = [part or 0 for part in parts]
    for position in blank:
        known[position] = total - sum(known)
    return known


def _percent_parts(total: int, percents: Sequence[Decimal | None]) -> list[int | None]:
    weights = [int((percent or 0) * _SHARE) for percent in percents]
    if sum(weights) > 100 * _SHARE:
        raise NoAmount("The percentages come to more than 100%.")
    if not any(weights):
        return [None] * len(percents)
    shares = allocate(total, [*weights, 100 * _SHARE - sum(weights)])
    return [shares[i] if percent is not None else None for i, percent in enumerate(percents)]


def _take_difference(given: LineInput) -> None:
    """Whatever is left goes to the account chosen for the difference."""
    selection = given.selection
    if not given.difference_to.isdecimal() or not selection.difference:
        return
    account = bookable(selection.account).filter(pk=int(given.difference_to[:18])).first()
    if account is None:
        given.problems.append("The account for the difference is not there any more: choose another.")
        return
    selection.codings.append(difference_coding(account, selection.difference))


class LimitsForm(forms.Form):
    """What each role may write off with one match, in base currency; empty: as much as it takes."""

    def __init__(self, data: QueryDict | None = None, *, organization: Organization) -> None:
        super().__init__(data)
        self.currency = organization.base_currency
        for limit in limits(organization):
            text = "" if limit.amount is None else str(from_minor(limit.amount, self.currency))
            self.fields[limit.role.value] = forms.CharField(
                label=limit.role.label,
                required=False,
                max_length=24,
                initial=text,
                widget=forms.TextInput(
                    attrs={"class": "num", "inputmode": "decimal", "placeholder": "No limit"}
                ),
            )

    def clean(self) -> dict[str, Any]:
        for name in self.fields:
            text = self.cleaned_data.get(name, "").strip()
            try:
                self.cleaned_data[name] = parse_amount(text, self.currency) if text else None
            except NoAmount as error:
                self.add_error(name, str(error))
                continue
            if (self.cleaned_data[name] or 0) < 0:
                self.add_error(name, "A limit is an amount without a sign; 0 allows nothing.")
        return self.cleaned_data

    def limits(self) -> dict[str, int | None]:
        return {name: self.cleaned_data[name] for name in self.fields}
