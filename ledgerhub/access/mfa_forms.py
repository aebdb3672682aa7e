"""Signing in with a second factor: seeds never lie in clear, a code works once, failures are recorded."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm as AllauthAuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, TOTP
from django import forms
from django.core.exceptions import ValidationError

from ledgerhub.access.adapters import MFAAdapter
from ledgerhub.access.sign_in_events import record_failure, record_lock_out
from ledgerhub.core.vault import decrypt, encrypt

_CODE_ATTRIBUTES = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}


class ActivateTOTPForm(AllauthActivateTOTPForm):  # type: ignore[misc]
    """Setting up: the seed waits in the session, which is a database row, so it waits there encrypted."""

    secret: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code from the app"
        self.fields["code"].help_text = "Six digits. A new code appears every 30 seconds."
        self.fields["code"].widget = forms.TextInput(attrs=_CODE_ATTRIBUTES)
        if "$" in self.secret:  # as we stored it: base 32 has no dollar sign
            self.secret = decrypt(self.secret)
        else:
            context.request.session[SECRET_SESSION_KEY] = encrypt(self.secret)

    def clean_code(self) -> str:
        code: str = super().clean_code()
        authenticator = Authenticator(user=self.user, type=Authenticator.Type.TOTP)
        if not TOTP(authenticator)._mark_code_used(code):
            raise MFAAdapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(AllauthAuthenticateForm):  # type: ignore[misc]
    """The second step of signing in: a code of the app, or a recovery code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code from your authenticator app"
        self.fields["code"].help_text = "Lost your phone? Type one of your recovery codes instead."
        self.fields["code"].widget = forms.TextInput(attrs=_CODE_ATTRIBUTES)

    def clean_code(self) -> str:
        try:
            code: str = super().clean_code()
        except ValidationError as error:
            if error.code == "too_many_login_attempts":
                record_lock_out(context.request, self.user.email)
            else:
                record_failure(context.request, "sign_in.failed", self.user.email, step="second factor")
            raise
        return code
