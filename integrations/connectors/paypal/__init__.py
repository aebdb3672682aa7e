"""PayPal (source): every row of its transaction search, each cent of it in exactly one document.

Rows are what moved the balance: gross in one document (payment, refund, dispute, payout, fee), the fee that
was withheld in another. Amounts are text in major units, signed as seen from the account; fees are negative.
"""

from __future__ import annotations

from typing import Any

from integrations.calls import owner_at
from integrations.connectors.paypal.transactions import TRANSACTIONS
from integrations.connectors.paypal.webhook import TOLERANCE, verify
from integrations.messages import Webhook
from integrations.records import dig
from integrations.spec import (
    Choice,
    Connector,
    Headers,
    Limits,
    OAuth2,
    Read,
    Said,
    Setting,
    Settings,
    Test,
    bank_account,
    counts_as,
    signing_secret,
)

LIVE, SANDBOX = "api-m.paypal.com", "api-m.sandbox.paypal.com"
TOO_NEW = 3600.0  # seconds until reports that do not reach to a day yet are asked for again


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to account QCXKLSS8GWT22: holds 300.00 USD.`"""
    rows = [row for row in dig(answer, "balances") or () if isinstance(row, dict)]
    held = [dig(row, "total_balance") or {} for row in rows]
    texts = [f"{money.get('value')} {money.get('currency_code')}" for money in held if money.get("value")]
    mode = " This is PayPal's sandbox: no real money." if settings.get("host") == SANDBOX else ""
    account = dig(answer, "account_id") or "without a number"
    return f"Connected to account {account}: holds {', '.join(texts) or 'nothing'}.{mode}"


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """What status 400 does not say: the window holds too much, or reaches beyond the newest report."""
    if dig(body, "name") == "RESULTSET_TOO_LARGE":
        return Said("too_many", "more than 10,000 transactions in this time.")
    details = dig(body, "details")
    issues = [str(dig(detail, "issue")) for detail in details] if isinstance(details, list) else []
    if status == 400 and any("is not available" in issue for issue in issues):
        return Said("busy", "the reports do not reach to these days yet.", TOO_NEW)
    return None


connector = Connector(
    key="paypal",
    label="PayPal",
    category="payments",
    summary="Payments, refunds, disputes, fees, holds, currency conversions and transfers to the bank.",
    base_url="https://{host}",
    auth=OAuth2(
        "",
        "/v1/oauth2/token",
        (
            "https://uri.paypal.com/services/reporting/search/read",
            "https://uri.paypal.com/services/reporting/balances/read",
        ),
        grant="client_credentials",
        client_auth="basic",
    ),
    # PayPal publishes no figures; a first read of three years is about forty calls.
    limits=Limits(per_second=5, burst=40),
    settings=(
        Setting(
            "host",
            "Account",
            "choice",
            required=True,
            default=LIVE,
            choices=(Choice(LIVE, "Live"), Choice(SANDBOX, "PayPal's sandbox (no real money)")),
        ),
        Setting(
            "client_id",
            "Client ID",
            required=True,
            help="developer.paypal.com > Apps & Credentials > your app. Switch on Transaction Search for it",
            pattern=r"[\w-]+",
            pattern_help="it has letters, digits, - and _ only.",
        ),
        Setting("client_secret", "Secret", "secret", required=True, help="Beside the client ID"),
        counts_as("payments_count_as", "A payment is", left="fees and transfers"),
        bank_account("Transfers"),
        signing_secret(
            "webhook_id",
            "Webhook ID",
            "PayPal shows it once the webhook is added; messages are proved with it",
            pattern=r"\s*\w+(\s+\w+)*\s*",
            pattern_help="it has letters and digits only.",
        ),
    ),
    streams=(TRANSACTIONS,),
    test=Test(Read("/v1/reporting/balances"), connected, owner=owner_at("", "account_id")),
    webhook=Webhook(
        verify,
        secret="webhook_id",
        tolerance=TOLERANCE,
        setup="developer.paypal.com > Apps & Credentials > your app > Add Webhook: choose the events of "
        "payments, refunds and disputes, then enter the webhook's ID in the settings here.",
    ),
    advice={
        401: "Check client ID, secret and whether both are of the live account or of PayPal's sandbox.",
        403: "Switch on Transaction Search for the app under Apps & Credentials; it can take nine hours "
        "until PayPal allows it.",
    },
    understand=understand,
    docs_url="https://developer.paypal.com/api/rest/",
)
