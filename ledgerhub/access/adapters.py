"""How allauth behaves here: no open sign-up, words for finance people, every sign-in recorded."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from urllib.parse import quote

import qrcode
from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from qrcode.image.svg import SvgPathFillImage

from ledgerhub.access.models import User
from ledgerhub.access.sign_in_events import record_failure, record_for_user, record_lock_out
from ledgerhub.core.vault import decrypt, encrypt

LOCKED_OUT = (
    "Too many tries. To keep the books safe, signing in with this address is locked for five minutes. "
    "Wait, then try again, or reset your password."
)
# The notices allauth sends about an account, as what the audit trail calls them.
_ACCOUNT_CHANGES = {
    "mfa/email/totp_activated": "second_factor.activated",
    "mfa/email/totp_deactivated": "second_factor.deactivated",
    "mfa/email/recovery_codes_generated": "recovery_codes.generated",
    "account/email/password_changed": "password.changed",
    "account/email/password_reset": "password.reset",
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is not right. Please try again.",
        "incorrect_password": "That is not your password. Please try again.",
        "enter_current_password": "That is not your present password. Please type it again.",
        "too_many_login_attempts": LOCKED_OUT,
        "rate_limited": LOCKED_OUT,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            record_lock_out(request, credentials.get("email", ""))
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        record_failure(request, "sign_in.failed", credentials.get("email", ""), step="password")

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        confirm_address(user)
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        record_for_user(request, "sign_in.succeeded", user)

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        super().logout(request)
        if isinstance(user, User):
            record_for_user(request, "sign_in.ended", user)

    def send_notification_mail(self, template_prefix: str, user: User, *args: Any, **kwargs: Any) -> None:
        action = _ACCOUNT_CHANGES.get(template_prefix)
        if action:
            record_for_user(context.request, action, user)
        super().send_notification_mail(template_prefix, user, *args, **kwargs)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """On the configured public address, whatever Host the request came with."""
        path: str = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return f"{settings.PUBLIC_URL}{path.replace('UID-KEY', quote(key))}"

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whoever signed in a few minutes ago is not asked again at once; allauth alone would."""
        return bool(account_settings.REAUTHENTICATION_REQUIRED) and not _signed_in_recently(context.request)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is not right, or it was used already. Wait for the next one.",
    }

    def build_totp_svg(self, url: str) -> str:
        """The QR code on white, so that it can be scanned from a dark page too."""
        image = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(image.to_string(encoding="unicode"))

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text)


def confirm_address(user: User) -> None:
    """allauth keeps addresses in a table of its own; ours is confirmed: an administrator invited it."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def has_second_factor(user: User) -> bool:
    found: bool = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
    return found


def _signed_in_recently(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    return bool(records and time.time() - records[-1]["at"] < account_settings.REAUTHENTICATION_TIMEOUT)
