"""Addresses of the books, below /o/<slug>/; those that look beyond the ledger join in ledgerhub/urls.py."""

from __future__ import annotations

from django.urls import path

from ledgerhub.ledger.views import accounts, contacts, documents, journal, reports, revaluation

app_name = "ledger"
urlpatterns = [
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/new/", accounts.new_account, name="new_account"),
    path("accounts/<int:pk>/", accounts.account, name="account"),
    path("accounts/<int:pk>/settings/", accounts.account_settings, name="account_settings"),
    path("accounts/<int:pk>/archival/", accounts.archival, name="archival"),
    path("accounts/<int:pk>/restoration/", accounts.restoration, name="restoration"),
    path("accounts/<int:pk>/statement/", accounts.statement_lines, name="statement_lines"),
    path("journal/", journal.journal, name="journal"),
    path("journal/new/", journal.new_entry, name="new_entry"),
    path("journal/new/sum/", journal.entry_sum, name="entry_sum"),
    path("journal/export/", journal.export, name="journal_export"),
    path("documents/", documents.documents, name="documents"),
    path("contacts/", contacts.contacts, name="contacts"),
    path("contacts/<int:pk>/", contacts.contact, name="contact"),
    path("trial-balance/", reports.trial_balance, name="trial_balance"),
    path("reports/profit-and-loss/", reports.profit_and_loss, name="profit_and_loss"),
    path("reports/balance-sheet/", reports.balance_sheet, name="balance_sheet"),
    path("reports/clearing/", reports.clearing, name="clearing"),
    path("reports/revaluation/", revaluation.revaluations, name="revaluations"),
    path("reports/revaluation/posting/", revaluation.posting, name="revaluation_posting"),
    path("reports/revaluation/reversal/", revaluation.reversal, name="revaluation_reversal"),
]
