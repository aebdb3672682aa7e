"""The access app: organizations, memberships, sign-in, audit."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ledgerhub.access"
    label = "access"
