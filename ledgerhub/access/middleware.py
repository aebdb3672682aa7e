"""Per-request access rules: idle sessions end, disabled users leave, a second factor is demanded."""

from __future__ import annotations

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import resolve, reverse
from django.urls.exceptions import Resolver404
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from ledgerhub.access.adapters import has_second_factor
from ledgerhub.access.models import User
from ledgerhub.access.sign_in_events import record_for_user

SEEN_KEY = "last_seen"
# A page that refreshes itself sends this header, so that an unattended screen does not stay signed in.
BACKGROUND_HEADER = "X-Background"
_WRITE_EVERY_SECONDS = 60
_OPEN_WITHOUT_SECOND_FACTOR = ("account_", "mfa_", "join")


class AccessMiddleware:
    """Runs after authentication; a request without a session costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        timezone.deactivate()
        return self._stop(request) or self.get_response(request)

    def _stop(self, request: HttpRequest) -> HttpResponse | None:
        if SESSION_KEY not in request.session:
            return None
        user = request.user
        if not isinstance(user, User):
            request.session.flush()
            return None
        return _end_idle(request, user) or _demand_second_factor(request, user)


def _end_idle(request: HttpRequest, user: User) -> HttpResponse | None:
    now, seen = time.time(), request.session.get(SEEN_KEY)
    if seen is not None and now - seen > settings.IDLE_TIMEOUT_SECONDS:
        record_for_user(request, "sign_in.timed_out", user)
        UserSession.objects.filter(session_key=request.session.session_key).delete()
        logout(request)
        messages.info(request, "You were signed out because nothing happened for a while.")
        return _leave(request, redirect_to_login(request.get_full_path()).url)
    background = BACKGROUND_HEADER in request.headers
    if seen is None or (now - seen > _WRITE_EVERY_SECONDS and not background):
        request.session[SEEN_KEY] = now
        UserSession.objects.filter(session_key=request.session.session_key).update(
            last_seen_at=timezone.now()
        )
    return None


def _demand_second_factor(request: HttpRequest, user: User) -> HttpResponse | None:
    if not settings.REQUIRE_MFA or _is_open(request) or has_second_factor(user):
        return None
    return _leave(request, reverse("mfa_activate_totp"))


def _is_open(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).url_name or ""
    except Resolver404:
        return False
    return name.startswith(_OPEN_WITHOUT_SECOND_FACTOR)


def _leave(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect; htmx is told to load the page whole, not into a fragment."""
    return HttpResponseClientRedirect(url) if request.headers.get("HX-Request") else redirect(url)
