"""PayPal: its webhooks' proof, windows that end where its reports do, its errors, the vendor's sample."""

from __future__ import annotations

import base64
import datetime as dt
import json
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Store

from integrations import answers
from integrations.answers import Reply
from integrations.connectors import CONNECTORS
from integrations.connectors.paypal import connected
from integrations.connectors.paypal.webhook import is_paypals, roots, verify
from integrations.mapping import MappingContext, compile_mapping
from integrations.messages import Event, WebhookRefused
from integrations.reading import Answered, Reader, first_state
from integrations.spec import Read
from ledgerhub.core.errors import ConfigError, TransientError
from tests.integrations.proving import NOW, never, proven

PAYPAL = CONNECTORS["paypal"]
STREAM = PAYPAL.stream("transactions")
URL = "https://api.paypal.com/v1/notifications/certs/CERT-1"
ID = "1JE4291016473214C"
BODY = json.dumps({"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "x"}}).encode()


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────
class Issued(NamedTuple):
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


@cache
def issued(name: str, *, by: Issued | None = None, days: int = 365) -> Issued:
    """A certificate of the host `name`, of an authority where nobody else issued it; good from a year before
    NOW until `days` after it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(USAGES, False) | {"digital_signature" if by else "key_cert_sign": True}
    issuer = by.key.public_key() if by else key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - dt.timedelta(days=365))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by.key if by else key, SHA256())
    )
    return Issued(key, certificate)


USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def authority() -> Issued:
    """The one that is trusted here."""
    return issued("authority.example")


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "integrations.connectors.paypal.webhook.roots", lambda: Store([authority().certificate])
    )


def paypals() -> Issued:
    return issued("messageverificationcerts.paypal.com", by=authority())


def signed(
    body: bytes = BODY, *, by: Issued | None = None, sent: dt.datetime = NOW, **changed: str
) -> dict[str, str]:
    """The headers of a message as PayPal signs it; `changed` replaces some of them (`cert_url`)."""
    stamp = f"{sent:%Y-%m-%dT%H:%M:%SZ}"
    text = f"69cd13f0|{stamp}|{ID}|{zlib.crc32(body)}"
    made = (by or paypals()).key.sign(text.encode(), PKCS1v15(), SHA256())
    headers = {
        "paypal-transmission-id": "69cd13f0",
        "paypal-transmission-time": stamp,
        "paypal-transmission-sig": base64.b64encode(made).decode(),
        "paypal-cert-url": URL,
        "paypal-auth-algo": "SHA256withRSA",
    }
    return headers | {f"paypal-{name.replace('_', '-')}": value for name, value in changed.items()}


def hands_out(*chain: Issued) -> Callable[[Read, Mapping[str, str]], Any]:
    def fetch(read: Read, values: Mapping[str, str]) -> str:
        assert (read.public, read.decode, values) == (True, "text", {"certificate": URL})
        return "".join(one.pem for one in chain or (paypals(),))

    return fetch


def believe(headers: dict[str, str], body: bytes = BODY, *chain: Issued) -> Event:
    return proven(verify, headers, body, ("old", ID), fetch=hands_out(*chain))


def test_a_message_signed_by_paypal_makes_the_stream_due() -> None:
    assert believe(signed()) == Event("WH-1", "PAYMENT.CAPTURE.COMPLETED", "transactions")


def test_the_certificate_is_asked_for_only_where_the_rest_is_right() -> None:
    for headers in (signed(auth_algo="none"), signed(cert_url="https://evil.example/cert")):
        with pytest.raises(WebhookRefused):
            proven(verify, headers, BODY, (ID,), fetch=never)


def test_a_message_about_something_else_is_noted_only() -> None:
    body = b'{"id": "WH-2", "event_type": "CATALOG.PRODUCT.CREATED"}'
    assert believe(signed(body), body) == Event("WH-2", "CATALOG.PRODUCT.CREATED")


def test_a_repeat_of_three_days_ago_is_believed() -> None:
    assert believe(signed(sent=NOW - dt.timedelta(days=3))).id == "WH-1"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"auth_algo": "SHA1withRSA"}, "not signed with SHA256withRSA"),
        ({"transmission_time": "yesterday"}, "older than four days"),
        ({"transmission_time": "2026-02-20T12:00:00Z"}, "older than four days"),
        ({"transmission_sig": "%%%"}, "no proper signature"),
        ({"transmission_id": "another"}, "signature is not PayPal's"),
        ({"cert_url": "https://paypal.com.evil.example/cert"}, "not at PayPal"),
    ],
)
def test_what_is_not_proven_is_refused(headers: dict[str, str], words: str) -> None:
    with pytest.raises(WebhookRefused, match=words):
        believe(signed(**headers))


def test_a_body_changed_by_one_letter_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="signature is not PayPal's"):
        believe(signed(), BODY.replace(b"WH-1", b"WH-2"))


def test_the_webhook_id_is_part_of_the_proof() -> None:
    with pytest.raises(WebhookRefused, match="webhook ID is another's"):
        proven(verify, signed(), BODY, ("9XX4291016473214C",), fetch=hands_out())


NAME = "messageverificationcerts.paypal.com"
UNTRUSTED = "no authority that we trust"


def forged() -> list[Issued]:
    """Everything right but the authority, whose own certificate is sent along."""
    other = issued("another-authority.example")
    return [issued(NAME, by=other), other]


def issued_by_a_host() -> list[Issued]:
    host = issued("host.example", by=authority())
    return [issued(NAME, by=host), host]


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        (lambda: [issued("evil.example", by=authority())], "not made out to PayPal"),
        (lambda: [issued("notpaypal.com", by=authority())], "not made out to PayPal"),
        (lambda: [issued("paypal.com.evil.example", by=authority())], "not made out to PayPal"),
        (lambda: [issued(NAME, by=authority(), days=-1)], "out of date"),
        (lambda: [issued(NAME)], UNTRUSTED),
        (forged, UNTRUSTED),
        (lambda: forged()[:1], UNTRUSTED),
        (issued_by_a_host, UNTRUSTED),
    ],
    ids=[
        "another's name", "a name that ends alike", "a name that begins alike", "out of date",
        "signed by itself", "another authority", "an authority that is not there", "issued by a host",
    ],
)  # fmt: skip
def test_a_certificate_that_is_not_paypals(chain: Callable[[], list[Issued]], words: str) -> None:
    made = chain()
    with pytest.raises(WebhookRefused, match=words):
        believe(signed(by=made[0]), BODY, *made)


def test_a_chain_that_leads_to_an_authority() -> None:
    assert believe(signed(), BODY, paypals(), authority()).id == "WH-1"
    stars = issued("*.paypal.com", by=authority())
    assert believe(signed(by=stars), BODY, stars).id == "WH-1"


def test_the_authorities_of_browsers_are_known() -> None:
    assert isinstance(roots(), Store)


def test_no_certificate_where_one_should_be() -> None:
    def fetch(read: Read, values: Mapping[str, str]) -> str:
        return "<html>not here</html>"

    with pytest.raises(WebhookRefused, match="no certificate"):
        proven(verify, signed(), BODY, (ID,), fetch=fetch)


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        (URL, True),
        ("https://paypal.com/cert", True),
        ("https://api.sandbox.paypal.com:443/cert", True),
        ("http://api.paypal.com/cert", False),
        ("https://api.paypal.com:8443/cert", False),
        ("https://api.paypal.com@evil.example/cert", False),
        ("https://user@api.paypal.com/cert", False),
        ("https://evilpaypal.com/cert", False),
        ("https://api.paypal.com.evil.example/cert", False),
        ("https://evil.example/api.paypal.com", False),
        ("https://api.paypal.com:x/cert", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_where_a_certificate_may_stand(url: str, *, ours: bool) -> None:
    assert is_paypals(url, {}) is ours


def test_in_the_demo_it_stands_in_the_demo() -> None:
    demo = {"base_url": "http://127.0.0.1:8001/paypal"}
    assert is_paypals("http://127.0.0.1:8001/paypal/v1/notifications/certs/1", demo)
    assert not is_paypals("http://127.0.0.1:8001/elsewhere", demo)
    assert not is_paypals(URL, demo)


# ── windows and errors ──────────────────────────────────────────────────────────────────────────
SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Reports:
    """Answers of the transaction search, complete up to `fresh`; notes what was asked for."""

    def __init__(self, fresh: str) -> None:
        self.fresh, self.asked = fresh, list[tuple[str, str]]()

    def __call__(self, read: Read, values: Any, params: Mapping[str, Any], **how: Any) -> Answered:
        self.asked.append((params["start_date"], params["end_date"]))
        body = {"transaction_details": [], "total_pages": 0, "last_refreshed_datetime": self.fresh}
        return Answered(body, {}, None)


def cursors(reports: Reports, now: dt.datetime = NOW) -> list[dict[str, Any]]:
    reader, state, found = Reader(PAYPAL, reports), first_state(STREAM, None, SINCE, now=now), []
    while state is not None:
        page = reader.fetch_page(STREAM, state, now=now)
        state = page.next  # type: ignore[assignment]
        found.append(page.cursor)
    return found


def test_windows_of_31_days_up_to_three_hours_ago() -> None:
    reports = Reports("2026-03-03T11:59:59+0000")
    assert cursors(reports)[-1] == {"at": "2026-03-03T09:00:00Z"}
    assert reports.asked == [
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-03-03T09:00:00Z"),
    ]


def test_what_the_reports_do_not_hold_yet_is_left_to_the_next_sync() -> None:
    late = Reports("2026-02-20T06:59:59+0000")
    assert cursors(late)[-1] == {"at": "2026-02-20T06:59:59Z"}
    stuck = Reports("2026-01-10T06:59:59+0000")
    assert cursors(stuck) == [{"at": "2026-01-10T06:59:59Z"}]
    assert len(stuck.asked) == 1


def test_reports_older_than_the_window_do_not_lead_back() -> None:
    assert cursors(Reports("2017-01-02T06:59:59+0000")) == [{"at": "2026-01-01T00:00:00Z"}]


def refusal(status: int, body: dict[str, Any]) -> Exception | None:
    return answers.refusal(Reply(status, {}, json.dumps(body).encode()), PAYPAL, now=NOW)


def test_too_many_in_a_window_halves_it() -> None:
    assert isinstance(refusal(400, {"name": "RESULTSET_TOO_LARGE"}), answers.TooMany)


def test_days_the_reports_do_not_reach_are_asked_for_later() -> None:
    issue = "Data for the given start date is not available."
    error = refusal(400, {"name": "INVALID_REQUEST", "details": [{"field": "start_date", "issue": issue}]})
    assert isinstance(error, TransientError)
    assert error.retry_after == 3600


def test_other_refusals_keep_their_meaning() -> None:
    assert isinstance(refusal(400, {"name": "INVALID_REQUEST", "details": []}), ConfigError)
    assert isinstance(refusal(429, {"name": "RATE_LIMIT_REACHED"}), answers.Busy)
    assert "Transaction Search" in str(refusal(403, {"name": "NOT_AUTHORIZED"}))


def test_the_connection_in_words() -> None:
    answer = {
        "balances": [{"currency": "USD", "total_balance": {"currency_code": "USD", "value": "300.00"}}],
        "account_id": "QCXKLSS8GWT22",
    }
    assert connected(answer, {}) == "Connected to account QCXKLSS8GWT22: holds 300.00 USD."
    sandbox = connected({}, {"host": "api-m.sandbox.paypal.com"})
    assert sandbox.endswith("holds nothing. This is PayPal's sandbox: no real money.")


# ── the vendor's samples ────────────────────────────────────────────────────────────────────────
def sample(reference: Path, name: str) -> Any:
    path = reference / "vendor/paypal/samples" / name
    if not path.exists():
        pytest.skip(f"no sample at {path}")
    return json.loads(path.read_text(), parse_float=Decimal)


def test_the_sample_transaction_becomes_a_payment_and_its_fee(reference: Path) -> None:
    body = sample(reference, "reporting_transactions.response.json")
    mapping = compile_mapping(
        STREAM.outputs, MappingContext(timezone="America/New_York", settings={"payments_count_as": "sales"})
    )
    [row] = answers.records_in(body, STREAM.read or Read(""), "PayPal")
    results = [result for result in mapping(STREAM.shape(row)) if result.draft]
    assert [result.errors for result in results] == [(), ()]
    facts = [(d["kind"], d["total"], str(d["date"])) for result in results if (d := result.draft)]
    assert facts == [("payment", 46500, "2014-07-11"), ("fee", 1379, "2014-07-11")]


@pytest.mark.parametrize(
    "name", ["CUSTOMER.DISPUTE.RESOLVED", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.REFUNDED"]
)
def test_the_sample_messages_make_the_stream_due(reference: Path, name: str) -> None:
    body = json.dumps(sample(reference, f"webhook.{name}.json")).encode()
    event = believe(signed(body), body)
    assert (event.type, event.stream, event.record_id) == (name, "transactions", "")
