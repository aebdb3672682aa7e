"""PayPal's webhooks: proof by certificate and checksum; they say that there is something to read."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import warnings
import zlib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from integrations.messages import Event, Message, Trust, WebhookRefused, parsed
from integrations.moments import parse_moment
from integrations.signing import is_by
from integrations.spec import Headers, Read, Settings
from ledgerhub.core.errors import ConfigError

TOLERANCE = 4 * 86_400  # seconds: PayPal repeats a message for three days
ALGORITHM = "SHA256withRSA"
DOMAIN = "paypal.com"
CERTIFICATE = Read(
    "{certificate}",
    headers={"Accept": "*/*"},
    decode="text",
    public=True,
    hosts=(DOMAIN, f"*.{DOMAIN}"),
)
MOVES_MONEY = ("PAYMENT.", "CHECKOUT.", "CUSTOMER.DISPUTE.", "INVOICING.", "RISK.")


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """SHA256withRSA over "id|time|webhook id|CRC-32 of the body", by a certificate PayPal hands out."""
    given = message.headers
    if given.get("paypal-auth-algo") != ALGORITHM:
        raise WebhookRefused(f"The message is not signed with {ALGORITHM}.")
    sent = parse_moment(given.get("paypal-transmission-time"))
    if sent is None or abs((trust.now - sent).total_seconds()) > TOLERANCE:
        raise WebhookRefused("The message is older than four days, or one of the clocks is wrong.")
    chain = _certificates(given.get("paypal-cert-url", ""), trust)
    # The demo is an authority of its own.
    authorities = Store(chain[-1:]) if trust.settings.get("base_url") else roots()
    key = _key(chain, authorities, trust.now)
    if not any(_is_signed(message, webhook_id, key) for webhook_id in trust.secrets):
        raise WebhookRefused("The signature is not PayPal's, or the webhook ID is another's.")
    return (_event(message.body),)


def _is_signed(message: Message, webhook_id: str, key: RSAPublicKey) -> bool:
    numbers = (message.headers.get(f"paypal-transmission-{name}", "") for name in ("id", "time"))
    text = "|".join((*numbers, webhook_id, str(zlib.crc32(message.body))))
    return is_by(key, _signature(message.headers), text.encode(), PKCS1v15(), SHA256())


def _signature(given: Headers) -> bytes:
    try:
        return base64.b64decode(given.get("paypal-transmission-sig", ""), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefused("The message carries no proper signature.") from None


def _certificates(url: str, trust: Trust) -> list[x509.Certificate]:
    """The certificate and those above it; fetched only where nobody but PayPal can have put it."""
    if not is_paypals(url, trust.settings):
        raise WebhookRefused("The certificate is not at PayPal: the message is forged.")
    try:
        found = x509.load_pem_x509_certificates(trust.fetch(CERTIFICATE, {"certificate": url}).encode())
    except ConfigError as error:
        raise WebhookRefused(f"PayPal's certificate could not be fetched. {error}") from None
    except ValueError:
        raise WebhookRefused("What stands at the certificate's address is no certificate.") from None
    return found


def is_paypals(url: str, settings: Settings) -> bool:
    """Whether an address is https under paypal.com, or the demo's own on this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    own = str(settings.get("base_url") or "")
    if own:
        return url.startswith(f"{own.rstrip('/')}/")
    host = parts.hostname or ""
    plain = parts.scheme == "https" and port in (None, 443) and "@" not in parts.netloc
    return plain and (host == DOMAIN or host.endswith(f".{DOMAIN}"))


@cache
def roots() -> Store:
    """The authorities that browsers trust; some of them number their certificates as is not done any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return Store(x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes()))


def _key(chain: list[x509.Certificate], authorities: Store, now: dt.datetime) -> RSAPublicKey:
    """The key of a certificate that is made out to PayPal, in date, and issued by way of the others in the
    chain by an authority that we trust."""
    ours = [name for name in _names(chain[0]) if name == DOMAIN or name.endswith(f".{DOMAIN}")]
    if not ours:
        raise WebhookRefused("The certificate is not made out to PayPal.")
    policy = PolicyBuilder().store(authorities).time(now)
    try:
        # A name with a star stands for any below it.
        verifier = policy.build_server_verifier(x509.DNSName(ours[0].replace("*", "any")))
        verifier.verify(chain[0], chain[1:])
    except (VerificationError, ValueError):
        raise WebhookRefused(
            "PayPal's certificate is out of date, or no authority that we trust has issued it."
        ) from None
    key = chain[0].public_key()
    if not isinstance(key, RSAPublicKey):
        raise WebhookRefused("The certificate holds no RSA key.")
    return key


def _names(certificate: x509.Certificate) -> list[str]:
    """The hosts a certificate is made out to."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _event(body: bytes) -> Event:
    """A message tells the reports' news early: the whole stream is due, as rows have no address."""
    event = parsed(body)
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise WebhookRefused("The message has no event id.")
    kind = str(event.get("event_type") or "")
    return Event(event["id"], kind, "transactions" if kind.startswith(MOVES_MONEY) else "")
