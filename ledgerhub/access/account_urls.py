"""Addresses of signing in and of one's own account: allauth's views, without sign-up and social log-in."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.usersessions import views as sessions
from django.urls import path, re_path

from ledgerhub.access import views_account as own
from ledgerhub.access.mfa_forms import ActivateTOTPForm, AuthenticateForm

_RESET_KEY = r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"

urlpatterns = [
    path("", own.home, name="home"),
    path("me/", own.profile, name="profile"),
    path("me/sessions/<int:pk>/ending/", own.session_ending, name="session_ending"),
    path("organization/", own.switch_organization, name="switch_organization"),
    path("join/<str:token>/", own.join, name="join"),
    path("account/login/", account.login, name="account_login"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/change/", account.password_change, name="account_change_password"),
    path("account/password/set/", account.password_set, name="account_set_password"),
    path("account/password/reset/", account.password_reset, name="account_reset_password"),
    path("account/password/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    path(
        "account/password/reset/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(_RESET_KEY, account.password_reset_from_key, name="account_reset_password_from_key"),
    path("account/2fa/", mfa.index, name="mfa_index"),
    path(
        "account/2fa/authenticate/",
        mfa.AuthenticateView.as_view(form_class=AuthenticateForm),
        name="mfa_authenticate",
    ),
    path("account/2fa/reauthenticate/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path(
        "account/2fa/totp/activate/",
        totp.ActivateTOTPView.as_view(form_class=ActivateTOTPForm),
        name="mfa_activate_totp",
    ),
    path("account/2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("account/2fa/recovery-codes/", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "account/2fa/recovery-codes/generate/",
        recovery.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/2fa/recovery-codes/download/",
        recovery.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("account/sessions/", sessions.list_usersessions, name="usersessions_list"),
]
