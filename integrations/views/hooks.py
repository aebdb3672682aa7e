"""The webhook endpoint: outside systems push here; what is proven is stored and answered, else refused."""

from __future__ import annotations

import hashlib
import hmac
import logging

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations import registry, webhooks
from integrations.messages import Message, WebhookRefused
from integrations.models import Integration, Secret
from ledgerhub.core.errors import LedgerHubError

log = logging.getLogger(__name__)

MOST_BYTES = 2 * 1024 * 1024
UNKNOWN = "This address is not known, or the message is not signed with our secret."
_NO_SECRET = b"compared with where the address is unknown"


@csrf_exempt
@require_http_methods(["GET", "POST"])
def hook(request: HttpRequest, token: str) -> HttpResponse:
    """Verify, store once, answer 200; the work is done later. Refused messages get 400 and words."""
    if request.method == "GET":
        return _challenged(request, token)
    body = _body(request)
    if body is None:
        return _words(f"The message is larger than {MOST_BYTES // 1024 // 1024} MB.", status=413)
    integration = _integration(token)
    if integration is None:
        _spend(body)
        return _words(UNKNOWN, status=400)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        webhooks.receive(integration, Message(headers, body, _outside(request)))
    except WebhookRefused as error:
        log.warning("webhook refused integration=%s: %s", integration.pk, error)
        return _words(str(error), status=_refusal(integration))
    except LedgerHubError as error:
        return _words(str(error), status=400)
    return _words("Received.", status=200)


def _challenged(request: HttpRequest, token: str) -> HttpResponse:
    """Some systems ask first whether the address is ours; to all others there is nothing to get."""
    integration = _integration(token)
    url = str(settings.PUBLIC_URL) + request.path
    try:
        answer = webhooks.challenged(integration, request.GET.dict(), url) if integration else None
    except WebhookRefused as error:
        return _words(str(error), status=400)
    return HttpResponseNotAllowed(["POST"]) if answer is None else JsonResponse(dict(answer))


def _outside(request: HttpRequest) -> str:
    """The address as the sender called it, whatever a proxy made of it."""
    return str(settings.PUBLIC_URL) + request.get_full_path()


def _refusal(integration: Integration) -> int:
    spec = registry.connector(integration)
    return spec.webhook.refusal if spec.webhook else 400


def _body(request: HttpRequest) -> bytes | None:
    """The raw bytes; None where they are too many, which the announced length tells before reading."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdecimal() or int(announced) > MOST_BYTES:
        return None
    try:
        return request.body
    except RequestDataTooBig:
        return None


def _integration(token: str) -> Integration | None:
    rows = Integration.objects.select_related("organization").exclude(state=Integration.State.DISCONNECTED)
    return rows.filter(webhook_token=token).first()


def _spend(body: bytes) -> None:
    """As much work as a bad signature costs, so that the time does not tell which addresses exist."""
    list(Secret.objects.filter(integration_id=0).values_list("value"))
    hmac.compare_digest(hmac.new(_NO_SECRET, body, hashlib.sha256).hexdigest(), "0" * 64)


def _words(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
