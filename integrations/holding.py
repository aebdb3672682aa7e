"""Holding back: whether what stands over there may be changed, or people changed it since we delivered it."""

from __future__ import annotations

from integrations import facing
from integrations.destination import Made, Parcel
from integrations.models import Delivery
from ledgerhub.core.errors import RecordError


class Held(RecordError):
    """What stands there was changed by people: a person decides whose is to stand."""

    def __init__(self, found: Made) -> None:
        said = facing.in_words(found.stands) if found.stands else "its version is another one"
        super().__init__(
            f"Somebody changed it over there since we delivered it: {said}. Nothing was overwritten."
            " Replace it by ours, or leave it out to keep theirs."
        )
        self.version = found.version


def arrived(
    delivery: Delivery, parcel: Parcel, found: Made | None, there: facing.AccountsThere
) -> Made | None:
    """What stands there if nothing is left to do: an earlier try arrived, or it is gone already."""
    if delivery.action == Delivery.Action.CREATE:
        return found
    if delivery.action == Delivery.Action.VOID:
        return (parcel.made or Made("")) if found is None else None
    if delivery.attempts > 1 and found is not None and found.stands is not None:
        return found if facing.says(parcel, found.stands, there) else None
    return None


def to_change(delivery: Delivery, parcel: Parcel, found: Made | None) -> Made | None:
    """What stands there in its newest version. Raises Held where people changed it since we delivered it and
    nobody has let us replace that version, RecordError where it is gone."""
    if delivery.action == Delivery.Action.CREATE:
        return None
    if found is None or parcel.made is None:
        raise RecordError(
            "It is not there any more: somebody took it back. Send it again from the page of differences, or"
            " leave it out."
        )
    if _is_edited(parcel.made, found) and delivery.allowed_version != found.version:
        raise Held(found)
    return found


def _is_edited(made: Made, found: Made) -> bool:
    """Whether people changed it: by what it says, where we know; else by its version."""
    if made.fingerprint and found.stands is not None:
        return made.fingerprint != found.stands.fingerprint
    return made.version != found.version
