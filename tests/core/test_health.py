"""The health page: ok only while the jobs give signs of life."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from ledgerhub.core import heartbeat
from ledgerhub.core.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_no_sign_of_life(client: Client) -> None:
    response = client.get("/health/")
    assert (response.status_code, response.content) == (503, b"The background jobs give no sign of life.\n")


def test_fresh_sign_of_life(client: Client) -> None:
    heartbeat.beat()
    response = client.get("/health/")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_old_sign_of_life(client: Client) -> None:
    Heartbeat.objects.create(name=heartbeat.JOBS, at=timezone.now() - dt.timedelta(minutes=4))
    assert client.get("/health/").status_code == 503
