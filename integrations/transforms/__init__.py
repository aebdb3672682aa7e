"""The closed list of transforms (mapping): everything a rule may do to a value, by name."""

from __future__ import annotations

from typing import Final

from integrations.transforms import choices, dates, lists, numbers, text
from integrations.transforms.base import (
    Apply,
    BadParam,
    Lookups,
    Param,
    Transform,
    TransformContext,
    check_params,
)

__all__ = [
    "TRANSFORMS",
    "Apply",
    "BadParam",
    "Lookups",
    "Param",
    "Transform",
    "TransformContext",
    "check_params",
]

TRANSFORMS: Final[dict[str, Transform]] = {
    transform.name: transform
    for module in (choices, dates, numbers, text, lists)
    for transform in module.TRANSFORMS
}
