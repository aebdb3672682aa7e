"""Whether the installation is alive, for load balancers and monitors."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ledgerhub.core import heartbeat


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 while the database answers and the jobs gave a sign of life; else 503 with the reason."""
    try:
        late = heartbeat.is_late()
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
    if late:
        return HttpResponse(
            "The background jobs give no sign of life.\n", status=503, content_type="text/plain"
        )
    return HttpResponse("ok\n", content_type="text/plain")
