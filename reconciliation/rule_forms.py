"""What the form of a rule sends: conditions and parts as people type them -> a version, or what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict

from ledgerhub.access.models import Organization
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import rulebook
from reconciliation.amounts import NoAmount, parse_amount, parse_percent
from reconciliation.forms import AccountChoice
from reconciliation.models import Rule, RuleSplit, RuleVersion
from reconciliation.rule_words import KIND_WORDS
from reconciliation.rules import CODED_KINDS, split_problem

_MOST_TEXTS = 50


def bank_accounts(organization: Organization) -> QuerySet[Account]:
    """Accounts a rule may be confined to: of role bank, or with statement lines."""
    has_lines = Exists(StatementLine.objects.filter(account=OuterRef("pk")))
    rows = Account.objects.filter(organization=organization, archived_at__isnull=True)
    return rows.filter(Q(role="bank") | has_lines).order_by("code")


class _RuleForm(forms.Form):
    """What both kinds share; amounts are read in the currency of the chosen account."""

    name = forms.CharField(max_length=120, label="Name of the rule")
    account = AccountChoice(
        queryset=Account.objects.none(),
        required=False,
        empty_label="Any bank account",
        label="Only lines of",
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.fields["account"].queryset = bank_accounts(organization)  # type: ignore[attr-defined]

    @property
    def currency(self) -> str:
        account = getattr(self, "cleaned_data", {}).get("account")
        return rulebook.stated_currency(self.organization, account)

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).replace("\0", "").split())

    def amount(self, name: str) -> int | None:
        """A typed amount in minor units, without sign; what is wrong with it becomes the field's error."""
        text = str(self.cleaned_data.get(name) or "")
        if not text.strip():
            return None
        try:
            return abs(parse_amount(text, self.currency))
        except NoAmount as error:
            self.add_error(name, str(error))
            return None


def _amount_field(label: str, help_text: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"inputmode": "decimal", "class": "num"})
    return forms.CharField(required=False, max_length=24, label=label, help_text=help_text, widget=widget)


class BankRuleForm(_RuleForm):
    """Which lines; all conditions that are given must hold."""

    contains = forms.CharField(
        required=False,
        max_length=4000,
        label="The bank text holds",
        help_text="One text a line: any of them will do. Capitals do not matter.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    sign = forms.ChoiceField(required=False, choices=RuleVersion.Sign.choices, label="Money in or out")
    minimum = _amount_field("Amount from")
    maximum = _amount_field("Amount up to")
    contact_name = forms.CharField(
        required=False, max_length=200, label="Contact", help_text="Who it is with"
    )
    field_order = ("name", "contains", "sign", "account", "minimum", "maximum", "contact_name")

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        typed["minimum"], typed["maximum"] = self.amount("minimum"), self.amount("maximum")
        texts = rulebook.texts(str(typed.get("contains", "")).replace("\0", ""))
        typed["contains"] = "\n".join(texts)
        if len(texts) > _MOST_TEXTS:
            self.add_error("contains", f"A rule looks for at most {_MOST_TEXTS} texts. Make two rules of it.")
        limits = [limit for limit in (typed["minimum"], typed["maximum"]) if limit is not None]
        if limits != sorted(limits):
            self.add_error("maximum", "The upper amount is below the lower one.")
        if not (texts or typed.get("sign") or limits or self.errors):
            raise forms.ValidationError("Say which lines it is for: a text, in or out, or an amount.")
        return typed


class ApprovalForm(_RuleForm):
    """Which proposals are approved without a person."""

    match_kind = forms.ChoiceField(choices=list(KIND_WORDS.items()), label="What is approved")
    level = forms.ChoiceField(required=False, choices=RuleVersion.Level.choices, label="Evidence it takes")
    min_probability = forms.CharField(
        required=False,
        max_length=12,
        label="Probability from",
        help_text="In percent, 99.5 for instance. What a bank rule proposes has none.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "num", "placeholder": "99"}),
    )
    maximum = _amount_field("Amount up to", "Larger ones wait for a person.")
    field_order = ("name", "match_kind", "level", "min_probability", "maximum", "account")

    def clean_min_probability(self) -> float | None:
        text = str(self.cleaned_data["min_probability"]).strip().rstrip("%").strip()
        if not text:
            return None
        try:
            share = parse_percent(f"{text}%")
        except NoAmount as error:
            raise forms.ValidationError(str(error)) from None
        return None if share is None else float(share / 100)

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        typed["maximum"] = self.amount("maximum")
        kind = typed.get("match_kind")
        if kind in CODED_KINDS and typed.get("level"):
            self.add_error("level", "What is booked to accounts has no entry to agree with: any evidence.")
        if kind == "bank rule":
            typed["min_probability"] = None
        elif typed.get("min_probability") is None and "min_probability" not in self.errors:
            self.add_error("min_probability", "Say from which probability on: 99, for instance.")
        return typed


class SplitForm(forms.Form):
    """One part of the line: an account with an amount, a percentage, or nothing for the rest."""

    account = AccountChoice(queryset=Account.objects.none(), required=False, empty_label="Choose an account")
    amount = _amount_field("Share")
    tax = _amount_field("Tax in it, %")
    tax_account = AccountChoice(
        queryset=Account.objects.none(), required=False, empty_label="No tax", label="Tax account"
    )
    description = forms.CharField(required=False, max_length=240, label="Text")

    def __init__(
        self, *args: Any, accounts: QuerySet[Account], choices: list[tuple[Any, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, empty in (("account", "Choose an account"), ("tax_account", "No tax")):
            self.fields[name].queryset = accounts  # type: ignore[attr-defined]
            # The same list serves every row: read once, not once a row.
            self.fields[name].widget.choices = [("", empty), *choices]
        self.fields["amount"].widget.attrs["placeholder"] = "the rest"
        self.fields["tax"].widget.attrs["placeholder"] = "none"
        self.fields["description"].widget.attrs["placeholder"] = "Text of the bank line"

    @property
    def is_blank(self) -> bool:
        return not any(self.cleaned_data.get(name) for name in self.fields)


_Splits = formset_factory(SplitForm, extra=0, max_num=20, absolute_max=30)


@dataclass
class RuleInput:
    """A rule as typed: its forms, and where they can be read the version with its parts (not stored)."""

    kind: str
    form: _RuleForm
    splits: BaseFormSet[SplitForm] | None = None
    version: RuleVersion | None = None
    parts: list[RuleSplit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.form.cleaned_data["name"])


def blank(
    organization: Organization, kind: str, initial: dict[str, Any], parts: Iterable[dict[str, Any]] = ()
) -> RuleInput:
    if kind == Rule.Kind.APPROVAL:
        return RuleInput(kind, ApprovalForm(initial=initial, organization=organization))
    form = BankRuleForm(initial=initial, organization=organization)
    return RuleInput(kind, form, _formset(organization, None, list(parts) or [{}]))


def of_version(version: RuleVersion) -> RuleInput:
    """The form filled with what a version says."""
    currency = rulebook.currency_of(version)
    initial: dict[str, Any] = {
        "name": version.rule.name,
        "account": version.account_id,
        "contains": version.contains,
        "sign": version.sign,
        "contact_name": version.contact_name,
        "match_kind": version.match_kind,
        "level": version.level,
        "minimum": _text(version.minimum, currency),
        "maximum": _text(version.maximum, currency),
    }
    if version.min_probability is not None:
        initial["min_probability"] = f"{version.min_probability * 100:.4f}".rstrip("0").rstrip(".")
    parts = [_typed(row, currency) for row in version.splits.all()]
    return blank(version.rule.organization, version.rule.kind, initial, parts)


def _typed(row: RuleSplit, currency: str) -> dict[str, Any]:
    share = f"{row.percent.normalize():f}%" if row.percent is not None else _text(row.amount, currency)
    return {
        "account": row.account_id,
        "amount": share,
        "tax": f"{row.tax_percent.normalize():f}" if row.tax_percent is not None else "",
        "tax_account": row.tax_account_id,
        "description": row.description,
    }


def _text(amount: int | None, currency: str) -> str:
    return "" if amount is None else str(from_minor(amount, currency))


def read(organization: Organization, kind: str, data: QueryDict) -> RuleInput:
    """What was typed; `version` stays None, and forms and `problems` say why, where it cannot be used."""
    if kind == Rule.Kind.APPROVAL:
        given = RuleInput(kind, ApprovalForm(data, organization=organization))
        if given.form.is_valid():
            given.version = _approval(given.form)
        return given
    given = RuleInput(kind, BankRuleForm(data, organization=organization), _formset(organization, data, None))
    readable = given.form.is_valid()
    given.parts = _parts(given, organization)
    if readable and not given.problems:
        given.version = _bank_rule(given.form)
    return given


def _formset(
    organization: Organization, data: QueryDict | None, initial: list[dict[str, Any]] | None
) -> BaseFormSet[SplitForm]:
    accounts = Account.objects.filter(organization=organization, archived_at__isnull=True).order_by("code")
    choices = [(account.pk, str(account)) for account in accounts]
    kwargs = {"accounts": accounts, "choices": choices}
    if data is not None and "part-TOTAL_FORMS" not in data:
        data, initial = None, [{}]
    return _Splits(data, prefix="part", initial=initial, form_kwargs=kwargs)


def _approval(form: _RuleForm) -> RuleVersion:
    typed = form.cleaned_data
    names = ("account", "match_kind", "level", "min_probability", "maximum")
    return RuleVersion(**{name: typed[name] for name in names})


def _bank_rule(form: _RuleForm) -> RuleVersion:
    typed = form.cleaned_data
    names = ("account", "contains", "sign", "minimum", "maximum", "contact_name")
    return RuleVersion(**{name: typed[name] for name in names})


def _parts(given: RuleInput, organization: Organization) -> list[RuleSplit]:
    """The typed parts; what is wrong with them goes to `problems`."""
    splits = given.splits
    if splits is None or not splits.is_bound:
        given.problems.append(split_problem(()))
        return []
    if not splits.is_valid():
        given.problems += _words(splits)
        return []
    currency = given.form.currency
    parts: list[RuleSplit] = []
    for number, form in enumerate(splits, 1):
        if form.is_blank:
            continue
        try:
            parts.append(_part(form.cleaned_data, currency, position=len(parts)))
        except NoAmount as error:
            given.problems.append(f"Part {number}: {error}")
    bank = getattr(given.form, "cleaned_data", {}).get("account")
    if bank is not None and any(part.account_id == bank.pk for part in parts):
        given.problems.append(f"{bank} is the bank account itself: choose what the money is for.")
    if not given.problems and (problem := split_problem([rulebook.split_of(part) for part in parts])):
        given.problems.append(problem)
    return parts


def _part(typed: dict[str, Any], currency: str, *, position: int) -> RuleSplit:
    """Raises NoAmount, in words."""
    if typed["account"] is None:
        raise NoAmount("Choose the account it is booked to.")
    percent = parse_percent(typed["amount"])
    amount = None
    if percent is None and typed["amount"].strip():
        amount = abs(parse_amount(typed["amount"], currency))
        if not amount:
            raise NoAmount("It comes to nothing: give it an amount or remove it.")
    tax = _tax(typed)
    return RuleSplit(
        position=position,
        account=typed["account"],
        percent=percent,
        amount=amount,
        tax_percent=tax,
        tax_account=typed["tax_account"],
        description=typed["description"].replace("\0", ""),
    )


def _tax(typed: dict[str, Any]) -> Decimal | None:
    text = typed["tax"].strip().rstrip("%").strip()
    tax = parse_percent(f"{text}%") if text else None
    if (tax is None) != (typed["tax_account"] is None):
        raise NoAmount("Tax takes both: its percentage and the account it is booked to.")
    return tax


def _words(formset: BaseFormSet[SplitForm]) -> list[str]:
    found = [str(error) for error in formset.non_form_errors()]
    for number, form in enumerate(formset, 1):
        found += [f"Part {number}: {error}" for name in form.errors for error in form.errors[name]]
    return found
