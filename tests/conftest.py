"""Settings and factories every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from ledgerhub.access.models import Organization, Role, User
from tests import tables
from tests.factories import make_organization, make_user, sign_in

# How long an example takes to draw says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any-machine")


# How Django takes out what a test left that committed. Its own way looks at every table and describes each
# model anew to the tables of permissions, half a second of work on PostgreSQL.
TransactionTestCase._fixture_teardown = lambda self: tables.empty()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what touches the database is run again."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return
    left_out = [item for item in items if not _touches_database(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _touches_database(item)]


def _touches_database(item: pytest.Item) -> bool:
    asked = {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ()))
    return bool(asked) or item.get_closest_marker("django_db") is not None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """The test database begins as a copy, in which the migrations find nothing to do."""
    of_tests = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite" and not of_tests["NAME"]:
        with tables.in_memory(connection.creation._get_test_db_name()):
            yield
    else:
        of_tests["TEMPLATE"] = os.environ.get("TEST_DB_TEMPLATE")
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of vendors' specifications and samples; tests that need it skip where it is absent."""
    root = Path(os.environ.get("LEDGERHUB_REFERENCE", Path(__file__).resolve().parents[2] / "shared"))
    if not root.is_dir():
        pytest.skip(f"no reference data at {root} (set LEDGERHUB_REFERENCE)")
    return root


@pytest.fixture(autouse=True)
def _fast_and_quiet(settings: Settings) -> None:
    """Cheap password hashes, and no search for collected static files, which tests do not have."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def loopback(settings: Settings) -> None:
    """Integrations may speak to systems on this machine."""
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(name="Corner Shop", slug="corner-shop")


@pytest.fixture
def viewer(organization: Organization) -> User:
    return make_user(email="viewer@example.com", name="Vera Viewer", organization=organization)


@pytest.fixture
def bookkeeper(organization: Organization) -> User:
    return make_user(
        email="bookkeeper@example.com", name="Bo Books", organization=organization, role=Role.BOOKKEEPER
    )


@pytest.fixture
def approver(organization: Organization) -> User:
    return make_user(
        email="approver@example.com", name="Ann Approver", organization=organization, role=Role.APPROVER
    )


@pytest.fixture
def admin(organization: Organization) -> User:
    return make_user(email="admin@example.com", name="Ada Admin", organization=organization, role=Role.ADMIN)


@pytest.fixture
def outsider(db: None) -> User:
    """A member of another organization only."""
    return make_user(email="outsider@example.com", name="Otto Outside", organization=make_organization())


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """`signed_in(user)`: a client of one's own in which that user is signed in."""
    return lambda user: sign_in(Client(), user)
