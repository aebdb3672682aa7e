"""Amazon: signing in, quotas learned and obeyed, what its refusals mean, a release is what it releases."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations import answers, oauth
from integrations.answers import Reply
from integrations.connectors import CONNECTORS
from integrations.connectors.amazon import connected, learn
from integrations.connectors.amazon.settlements import SETTLEMENTS
from integrations.spec import Learned, OAuth2
from ledgerhub.core.errors import ConfigError
from tests.integrations.proving import NOW
from tests.integrations.sampled import made_of, mapping

AMAZON = CONNECTORS["amazon"]
FIXTURES = Path(__file__).resolve().parents[1] / "connectors/amazon"
CREDENTIALS = {
    "client_id": "amzn1.client",
    "client_secret": "secret",
    "application_id": "amzn1.sp.solution.1",
}


def auth() -> OAuth2:
    assert isinstance(AMAZON.auth, OAuth2)
    return AMAZON.auth


def refusal(status: int, body: Any, **headers: str) -> Exception | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answers.refusal(Reply(status, named, json.dumps(body).encode()), AMAZON, now=NOW)


# ── signing in ──────────────────────────────────────────────────────────────────────────────────
def test_the_seller_is_asked_at_their_own_seller_central() -> None:
    settings = AMAZON.with_defaults({**CREDENTIALS, "seller_central": "sellercentral-europe.amazon.com"})
    begun = oauth.begin(auth(), settings, redirect_uri="https://books.example/back")
    assert begun.url.startswith("https://sellercentral-europe.amazon.com/apps/authorize/consent?")
    assert parse_qs(urlsplit(begun.url).query) == {
        "application_id": ["amzn1.sp.solution.1"],
        "redirect_uri": ["https://books.example/back"],
        "state": [begun.state],
    }
    assert begun.verifier == ""


def test_the_code_is_changed_for_a_token_without_more_than_amazon_asks() -> None:
    asked = oauth.code_request(auth(), CREDENTIALS, code="c", redirect_uri="https://x.example", verifier="")
    assert (asked.url, asked.form) == (
        "https://api.amazon.com/auth/o2/token",
        {
            "grant_type": "authorization_code",
            "code": "c",
            "redirect_uri": "https://x.example",
            "client_id": "amzn1.client",
            "client_secret": "secret",
        },
    )


def test_a_consent_ends_after_a_year() -> None:
    until = oauth.consent_until(auth(), NOW, NOW)
    assert until is not None
    assert (until - NOW).days == 365


@pytest.mark.parametrize("region", ["na", "eu", "fe"])
def test_each_region_has_its_host(region: str) -> None:
    hosts = [choice.value for choice in AMAZON.setting("host").choices]
    assert f"sellingpartnerapi-{region}.amazon.com" in hosts


# ── quotas ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "learned"),
    [("0.0167", Learned(per_second=0.0167)), ("2.0", Learned(per_second=2.0)), ("", None), ("many", None),
     ("0", None), ("-1", None), ("nan", None)],
)  # fmt: skip
def test_the_quota_an_answer_tells(text: str, learned: Learned | None) -> None:
    assert learn({"x-amzn-ratelimit-limit": text}, None) == learned


def test_every_request_is_counted_against_its_own_operation() -> None:
    reads = [read for stream in AMAZON.streams for read in (stream.read, *(c.first for c in stream.children))]
    assert AMAZON.test is not None
    buckets = [read.bucket for read in (*reads, AMAZON.test.read) if read]
    assert sorted(buckets) == sorted(AMAZON.limits.buckets)


def test_a_quota_used_up_is_waited_for_as_its_header_says() -> None:
    body = {"errors": [{"code": "QuotaExceeded", "message": "You exceeded your quota."}]}
    for headers, wait in (
        ({"x_amzn_ratelimit_limit": "0.0167"}, 1 / 0.0167),
        ({"retry_after": "7", "x_amzn_ratelimit_limit": "0.0167"}, 7.0),
        ({}, None),
    ):
        error = refusal(429, body, **headers)
        assert isinstance(error, answers.Busy)
        assert error.retry_after == wait


def test_a_token_that_is_no_longer_good_is_renewed_once() -> None:
    error = refusal(403, {"errors": [{"code": "Unauthorized", "message": "Access is denied."}]})
    assert isinstance(error, answers.Unauthorized)
    assert "needs the roles Finance and Accounting" in str(error)
    other = refusal(403, {"errors": [{"code": "InvalidSignature", "message": "x"}]})
    assert isinstance(other, ConfigError)
    assert not isinstance(other, answers.Unauthorized)


# ── what is said ────────────────────────────────────────────────────────────────────────────────
def test_the_connection_in_words() -> None:
    markets = [
        {"marketplace": {"name": name}, "participation": {"isParticipating": taking_part}}
        for name, taking_part in (("Amazon.com", True), ("Amazon.ca", True), ("Amazon.com.mx", False))
    ]
    assert connected({"payload": markets}, {}) == "Connected: sells on Amazon.com, Amazon.ca."
    assert connected({}, {}) == "Connected: sells on no marketplace of this region yet."


def ids(name: str) -> list[str]:
    """The ids of the documents that a fixture's record becomes."""
    case = json.loads((FIXTURES / f"{name}.json").read_text(), parse_float=Decimal)
    stream = AMAZON.stream("finances")
    drafts, errors, invalid = made_of(stream, mapping(AMAZON, stream, case), case["record"])
    assert (errors, invalid) == ([], [])
    return [draft["external_id"] for draft in drafts]


def test_money_released_is_one_document_whoever_says_so() -> None:
    itself = ids("shipment_released_itself")
    assert ids("shipment_released_as_another") == itself == [
        "wkchcQAc_WjOgfiS5LcH:fee", "wkchcQAc_WjOgfiS5LcH:withheld"
    ]  # fmt: skip
    assert ids("shipment_deferred") == ids("shipment_that_another_released") == []


def test_the_columns_of_a_settlement_are_those_that_are_read(reference: Path) -> None:
    path = reference / "vendor/amazon-sp-api/reports-samples"
    path /= "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2.header.tsv"
    if not path.exists():
        pytest.skip(f"no sample at {path}")
    columns = path.read_text().rstrip("\r\n").split("\t")
    case = json.loads((FIXTURES / "settlement.json").read_text())
    assert {name for row in case["record"]["rows"] for name in row} <= set(columns)
    assert SETTLEMENTS.identity(case["record"]) == "11895270"
