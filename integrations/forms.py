"""Forms of registering and keeping integrations, made from what a connector says of its settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils.formats import date_format

from integrations import registry
from integrations.models import Integration, Secret, Stream
from integrations.overview import purpose
from integrations.register import Choice
from integrations.sandbox.catalog import SYSTEMS
from integrations.spec import Connector, Setting
from integrations.spec import Stream as StreamSpec
from ledgerhub.access.forms import currency_choices
from ledgerhub.access.models import Organization
from ledgerhub.ledger.bank_accounts import (
    bank_accounts,
    could_be_bank_accounts,
    open_bank_account,
    use_as_bank_account,
)
from ledgerhub.ledger.models import Account

BANK = "bank_account"
NEW = "new"
SCHEDULES = (
    (15, "every 15 minutes"),
    (30, "every half hour"),
    (60, "every hour"),
    (360, "every 6 hours"),
    (1440, "once a day"),
    (0, "only by hand"),
)
_FEW = 4  # so many choices are shown side by side rather than in a menu


class BankAccountFields(forms.Form):
    """Which account of the books it is: one that has statements already, one of the chart, or a new one."""

    bank_account = forms.ChoiceField(label="Bank account", required=False)
    new_name = forms.CharField(label="Name of the new account", max_length=120, required=False)
    new_kind = forms.ChoiceField(
        label="It is",
        choices=[("bank", "a bank account"), ("card", "a card or credit line")],
        required=False,
        help_text="A card is owed: it stands among the liabilities.",
    )
    new_currency = forms.ChoiceField(label="Currency", choices=currency_choices, required=False)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self._choose_from(required=False)
        self.fields["new_currency"].initial = organization.base_currency

    def _choose_from(self, *, required: bool) -> None:
        field = self.fields[BANK]
        assert isinstance(field, forms.ChoiceField)
        field.required = required
        field.choices = [
            ("", "Choose an account" if required else "None"),
            ("Bank accounts", _options(bank_accounts(self.organization))),
            ("Other accounts of your chart", _options(could_be_bank_accounts(self.organization))),
            (NEW, "A new account…"),
        ]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get(BANK) == NEW and not values.get("new_name", "").strip():
            self.add_error("new_name", "Say what the new account is called, as on the bank's statements.")
        return values

    def bank_account_for_use(self) -> Account | None:
        """The chosen account with the role of a bank account, made or given it now; call when valid."""
        chosen = self.cleaned_data.get(BANK)
        if chosen == NEW:
            return open_bank_account(
                self.organization,
                name=self.cleaned_data["new_name"].strip(),
                currency=self.cleaned_data["new_currency"],
                card=self.cleaned_data["new_kind"] == "card",
            )
        account = Account.objects.filter(organization=self.organization, pk=chosen or 0).first()
        return use_as_bank_account(account) if account is not None and not account.role else account


def _options(accounts: QuerySet[Account]) -> list[tuple[str, str]]:
    return [(str(account.pk), str(account)) for account in accounts]


class IntegrationForm(BankAccountFields):
    """Name, settings and secrets of an integration; a stored secret is kept where the field stays empty."""

    name = forms.CharField(max_length=120, help_text="How it is called on these pages.")

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        spec: Connector,
        integration: Integration | None,
        **kwargs: Any,
    ) -> None:
        self.spec, self.integration = spec, integration
        self.stored = _stored_secrets(integration)
        super().__init__(*args, organization=organization, initial=_initial(spec, integration), **kwargs)
        self._add_settings()
        self.order_fields(["name", *(_name(setting) for setting in spec.settings), BANK])

    def _add_settings(self) -> None:
        asked = {setting.name: setting for setting in self.spec.settings}
        for setting in self.spec.settings:
            if setting.name != BANK and not setting.told:
                self.fields[_name(setting)] = _field(setting, self.stored.get(setting.name), self.spec)
        if BANK not in asked:
            for name in (BANK, "new_name", "new_kind", "new_currency"):
                del self.fields[name]
        else:
            self._choose_from(required=asked[BANK].required)
            self.fields[BANK].label, self.fields[BANK].help_text = asked[BANK].label, asked[BANK].help
        if settings.ALLOW_LOOPBACK_INTEGRATIONS and self.spec.base_url:
            self.fields["base_url"] = _sandbox_field(self.spec)

    @property
    def setting_fields(self) -> list[forms.BoundField]:
        """The connector's own fields, in its order."""
        names = [_name(setting) for setting in self.spec.settings if setting.name != BANK]
        return [self[name] for name in [*names, "base_url"] if name in self.fields]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        others = Integration.objects.filter(organization=self.organization, name__iexact=name)
        if self.integration is not None:
            others = others.exclude(pk=self.integration.pk)
        if others.exists():
            raise forms.ValidationError(
                "Another integration has this name. Tell them apart, by place or by bank."
            )
        return name

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for setting in self.spec.settings:
            value = values.get(_name(setting))
            if _name(setting) not in self.fields or setting.name == BANK:
                continue
            if setting.type == "secret" and not value and setting.name in self.stored:
                continue
            if problem := setting.problem(value):
                self._say(setting, problem)
        return values

    def _say(self, setting: Setting, problem: str) -> None:
        if _name(setting) not in self.errors:
            words = problem.removeprefix(f"{setting.label}: ")
            self.add_error(_name(setting), f"{words[:1].upper()}{words[1:]}")

    def values(self) -> dict[str, Any]:
        """Settings and the secrets that were typed, by the connector's names."""
        held = self.integration.settings if self.integration else {}
        own = {
            setting.name: held.get(setting.name, "") if setting.told else self.cleaned_data[_name(setting)]
            for setting in self.spec.settings
            if setting.name != BANK
        }
        base_url = self.cleaned_data.get("base_url")
        return {**own, "base_url": base_url} if base_url else own


def _name(setting: Setting) -> str:
    """Form names apart from those of the form itself."""
    return BANK if setting.name == BANK else f"set_{setting.name}"


def _stored_secrets(integration: Integration | None) -> dict[str, Secret]:
    if integration is None:
        return {}
    return {secret.name: secret for secret in integration.secrets.defer("value")}


def _initial(spec: Connector, integration: Integration | None) -> dict[str, Any]:
    held: Mapping[str, Any] = integration.settings if integration else _sandbox_settings(spec)
    values = {_name(setting): held.get(setting.name, setting.default) for setting in spec.settings}
    bank = integration.bank_account_id if integration else None
    name = integration.name if integration else spec.label
    return {**values, BANK: str(bank or ""), "name": name, "base_url": held.get("base_url", "")}


def _sandbox_settings(spec: Connector) -> dict[str, Any]:
    """In the demo the sandbox's own settings stand in the form already."""
    system = SYSTEMS.get(spec.key)
    if not settings.DEMO or system is None:
        return {}
    return {**system.settings, "base_url": f"{settings.SANDBOX_URL}{system.base}"}


def _sandbox_field(spec: Connector) -> forms.Field:
    return forms.CharField(
        label="Base address",
        required=False,
        help_text="Only in the demo: the sandbox on this machine. Empty for the real system.",
    )


def _field(setting: Setting, stored: Secret | None, spec: Connector) -> forms.Field:
    common: dict[str, Any] = {"label": setting.label, "help_text": setting.help, "required": False}
    if setting.type == "secret":
        return _secret_field(setting, stored, spec, common)
    if setting.type == "boolean":
        return forms.BooleanField(**common)
    common["required"] = setting.required
    common["error_messages"] = {"required": f"{setting.label} is missing."}
    if setting.choices:
        choices = [(choice.value, _sentence(choice.label)) for choice in setting.choices]
        widget = forms.RadioSelect() if len(choices) <= _FEW else forms.Select()
        return forms.ChoiceField(choices=choices, widget=widget, **common)
    return forms.CharField(max_length=500, **common)


def _secret_field(
    setting: Setting, stored: Secret | None, spec: Connector, common: dict[str, Any]
) -> forms.Field:
    """Never shown again: what is stored is named by its date only."""
    notes = [setting.help] if setting.help else []
    if stored is not None:
        notes.append(f"Stored on {date_format(stored.updated_at, 'j F Y')}: leave empty to keep it")
    elif demo := _sandbox_secret(setting, spec):
        notes.append(f"In the demo: {demo}")
    common["help_text"] = ". ".join(notes)
    common["required"] = setting.required and stored is None
    common["error_messages"] = {"required": f"{setting.label} is missing."}
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"})
    return forms.CharField(widget=widget, max_length=4000, **common)


def _sandbox_secret(setting: Setting, spec: Connector) -> str:
    system = SYSTEMS.get(spec.key)
    return system.secrets.get(setting.name, "") if settings.DEMO and system is not None else ""


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


class StreamsForm(forms.Form):
    """Which streams, from when, how often, and whether they post."""

    start_date = forms.DateField(
        label="Read records from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Usually the first day your books here begin. Empty: everything the system still has.",
    )
    mode = forms.ChoiceField(
        label="What happens with them",
        choices=[
            (Stream.Mode.SHADOW, "Shadow: read and map, post nothing. Compare first, go live later"),
            (Stream.Mode.LIVE, "Live: post to the books"),
        ],
        widget=forms.RadioSelect,
        initial=Stream.Mode.LIVE,
    )

    def __init__(self, *args: Any, integration: Integration, today: dt.date, **kwargs: Any) -> None:
        self.spec = registry.connector(integration)
        self.held = {stream.key: stream for stream in integration.streams.all()}
        super().__init__(*args, **{"initial": self._initial(today), **kwargs})
        for spec in self.spec.streams:
            self.fields[f"use_{spec.key}"] = forms.BooleanField(label=spec.label, required=False)
            if spec.read is not None:
                self.fields[f"every_{spec.key}"] = forms.TypedChoiceField(
                    label=f"{spec.label}: how often",
                    choices=SCHEDULES,
                    coerce=int,
                    required=False,
                    empty_value="60",
                )
        if all(spec.read is None for spec in self.spec.streams):
            del self.fields["start_date"]
        else:
            self.fields["start_date"].widget.attrs["max"] = today.isoformat()
        self.today = today

    def _initial(self, today: dt.date) -> dict[str, Any]:
        found: dict[str, Any] = {"start_date": today.replace(month=1, day=1)}
        for spec in self.spec.streams:
            stream = self.held.get(spec.key)
            found[f"use_{spec.key}"] = stream.enabled if stream else not self.held
            found[f"every_{spec.key}"] = stream.schedule_minutes if stream else spec.schedule_minutes
        if self.held:
            one = next(iter(self.held.values()))
            dated = [
                self.held[spec.key] for spec in self.spec.streams if spec.dated and spec.key in self.held
            ]
            found |= {"start_date": dated[0].start_date if dated else None, "mode": one.mode}
        return found

    @property
    def rows(self) -> list[tuple[StreamSpec, str, forms.BoundField, forms.BoundField | None, str]]:
        """(stream, what it is for, tick box, schedule or None, the streams it builds on in words)."""
        labels = {spec.key: spec.label for spec in self.spec.streams}
        return [
            (
                spec,
                purpose(spec),
                self[f"use_{spec.key}"],
                self[f"every_{spec.key}"] if spec.read is not None else None,
                ", ".join(labels[key] for key in spec.depends_on),
            )
            for spec in self.spec.streams
        ]

    def clean_start_date(self) -> dt.date | None:
        start: dt.date | None = self.cleaned_data["start_date"]
        if start is not None and start > self.today:
            raise forms.ValidationError("This day is still to come. Choose today or earlier.")
        return start

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not any(values.get(f"use_{spec.key}") for spec in self.spec.streams):
            raise forms.ValidationError("Tick at least one kind of record.")
        return values

    def choices(self) -> list[Choice]:
        data = self.cleaned_data
        return [
            Choice(spec.key, data.get("start_date"), int(data.get(f"every_{spec.key}") or 0), data["mode"])
            for spec in self.spec.streams
            if data[f"use_{spec.key}"]
        ]


class ScheduleForm(forms.Form):
    every = forms.TypedChoiceField(choices=SCHEDULES, coerce=int)


class UploadForm(BankAccountFields):
    """A statement file and the bank account it is of."""

    file = forms.FileField(
        label="Statement file",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.ofx,.qfx,.txt,text/csv"}),
        help_text="CSV, OFX or QFX, as your bank offers it. Files may overlap: no line comes twice.",
        error_messages={"required": "Choose the file you downloaded from your bank.",
                        "empty": "This file is empty. Download the statement again as CSV or OFX."},
    )  # fmt: skip

    def __init__(
        self, *args: Any, organization: Organization, preselected: Account | None, **kwargs: Any
    ) -> None:
        super().__init__(
            *args,
            organization=organization,
            initial={BANK: str(preselected.pk if preselected else "")},
            **kwargs,
        )
        self._choose_from(required=True)
        self.fields[BANK].error_messages["required"] = "Choose the bank account this statement is of."
