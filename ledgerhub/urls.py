"""The URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from integrations.views import hooks
from ledgerhub import founding, views
from ledgerhub.core.views import health
from ledgerhub.ledger import urls as ledger
from ledgerhub.ledger.views import reports
from reconciliation.views import clearing, clearing_pairs

_ORGANIZATION = "o/<slug:organization>/"

# Pages of the books that look beyond the ledger stand in the same namespace as the others.
_books = [
    *ledger.urlpatterns,
    path("journal/<int:pk>/", views.entry, name="entry"),
    path("journal/<int:pk>/reversal/", views.entry_reversal, name="entry_reversal"),
    path("documents/<int:pk>/", views.document, name="document"),
    path("exchange-rates/", views.rates, name="rates"),
    path("reports/clearing/<int:pk>/", clearing.clearing_account, name="clearing_account"),
    path("reports/clearing/<int:pk>/payouts/", clearing.payouts, name="clearing_payouts"),
    path("reports/clearing/<int:pk>/payouts/<int:payout_pk>/", clearing.payout, name="clearing_payout"),
    path("reports/clearing/<int:pk>/opposites/", clearing_pairs.opposites, name="clearing_opposites"),
    path("reports/clearing/<int:pk>/pairs/", clearing_pairs.pairs, name="clearing_pairs"),
    path("reports/clearing/<int:pk>/pairs/parting/", clearing_pairs.parting, name="clearing_parting"),
    path("reports/clearing/<int:pk>/sign-offs/", clearing.sign_offs, name="clearing_sign_offs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", health, name="health"),
    path("", include("ledgerhub.access.account_urls")),
    path("hooks/<str:token>/", hooks.hook, name="hook"),
    path("organizations/new/", founding.new_organization, name="new_organization"),
    path(_ORGANIZATION, views.dashboard, name="dashboard"),
    path(f"{_ORGANIZATION}search/", views.search, name="search"),
    path(f"{_ORGANIZATION}reports/", reports.index, name="reports"),
    path(_ORGANIZATION, include((_books, ledger.app_name))),
    path(_ORGANIZATION, include("ledgerhub.access.urls")),
    path(_ORGANIZATION, include("integrations.urls")),
    path(_ORGANIZATION, include("reconciliation.urls")),
]
