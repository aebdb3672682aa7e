"""Signs of life of the background parts."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a background part last did something; written through the queue, so it proves the queue works."""

    name = models.CharField(max_length=50, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
