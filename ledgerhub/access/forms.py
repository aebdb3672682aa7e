"""Forms of people, organizations and one's own account."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any, ClassVar

from babel import Locale
from django import forms
from django.contrib.auth import password_validation

from ledgerhub.access.models import Organization, Role, User
from ledgerhub.core.money import CURRENCIES

ROLE_HELP = (
    "A viewer reads. A bookkeeper also edits. An approver also approves matches and publishes. "
    "An admin also manages people and settings."
)
# Language -> countries whose way of writing numbers is on offer.
_LOCALES = {
    "en": "US GB CA AU IE NZ ZA IN",
    "de": "DE AT CH",
    "fr": "FR CA CH BE",
    "nl": "NL BE",
    "es": "ES MX",
    "it": "IT",
    "pt": "PT BR",
    "da": "DK",
    "sv": "SE",
    "nb": "NO",
    "fi": "FI",
    "is": "IS",
    "pl": "PL",
    "cs": "CZ",
    "hu": "HU",
    "ro": "RO",
    "tr": "TR",
    "ja": "JP",
    "ko": "KR",
}


@cache
def timezone_choices() -> list[tuple[str, str]]:
    """Places of the world, not the aliases and the fixed offsets."""
    names = sorted(name for name in zoneinfo.available_timezones() if _is_place(name))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


def _is_place(name: str) -> bool:
    return "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/", "US/"))


@cache
def locale_choices() -> list[tuple[str, str]]:
    codes = [f"{language}_{land}" for language, lands in _LOCALES.items() for land in lands.split()]
    return [(code, Locale.parse(code).get_display_name("en") or code) for code in codes]


def currency_choices() -> list[tuple[str, str]]:
    return [(code, code) for code in sorted(CURRENCIES)]


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"placeholder": "name@company.com", "autocomplete": "off"}),
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER, help_text=ROLE_HELP)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class JoinForm(forms.Form):
    """A new person's name and password."""

    name = forms.CharField(label="Your name", max_length=120, help_text="Shown beside what you do.")
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters, not one that many people use.",
    )
    again = forms.CharField(
        label="Password, once more",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        person = User(email=self.email, name=self.cleaned_data.get("name", ""))
        password_validation.validate_password(password, person)
        return password

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        if {"password", "again"} <= typed.keys() and typed["password"] != typed["again"]:
            self.add_error("again", "The two passwords differ. Type the same one twice.")
        return typed


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    name = forms.CharField(label="Your name", max_length=120, help_text="Shown beside what you do.")

    class Meta:
        model = User
        fields = ("name",)


class OrganizationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Settings of an organization; the base currency is fixed once something is posted."""

    base_currency = forms.ChoiceField(
        choices=currency_choices, help_text="What the books are kept in. Fixed once something is posted."
    )
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=timezone_choices,
        help_text="Decides on which day something happened. Dates already in the books do not move.",
    )
    locale = forms.ChoiceField(
        label="Numbers", choices=locale_choices, help_text="How amounts are written: 1,234.50 or 1.234,50."
    )
    date_format = forms.ChoiceField(
        label="Dates", choices=[(value, value) for value in Organization.DateFormat.values]
    )
    lock_date = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Nothing on or before this day changes any more; corrections land on the day after.",
    )

    class Meta:
        model = Organization
        fields: ClassVar[list[str]] = [
            "name",
            "base_currency",
            "timezone",
            "date_format",
            "locale",
            "lock_date",
            "revaluation",
            "two_person_rule",
        ]
        labels: ClassVar[dict[str, Any]] = {
            "revaluation": "Unrealised exchange gains and losses of a month's end",
            "two_person_rule": "Two people for every publication",
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": "As it stands on the pages and in e-mails.",
            "revaluation": "What the month-end revaluation of balances in other currencies books.",
            "two_person_rule": "Who drafts a mapping or a rule may not publish it.",
        }

    def __init__(self, *args: Any, currency_is_fixed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keep_unlisted("timezone", "locale")
        if currency_is_fixed:
            self.fields["base_currency"].disabled = True
            self.fields["base_currency"].help_text = "Fixed: there are entries in this currency already."

    def _keep_unlisted(self, *names: str) -> None:
        """A value that stands but is not among the choices (an alias) stays choosable."""
        for name in names:
            current, choices = getattr(self.instance, name), self.fields[name].choices  # type: ignore[attr-defined]
            if current not in dict(choices):
                self.fields[name].choices = [(current, current), *choices]  # type: ignore[attr-defined]
