"""Give unquoted YAML scalars their values, by the YAML 1.2 core schema as Docker Compose reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESOLVABLE_FIRST = frozenset("0123456789+-.~nNtTfF")
_CONSTANTS: Mapping[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"),
    "+.inf": float("inf"), "+.Inf": float("inf"), "+.INF": float("inf"),
    "-.inf": float("-inf"), "-.Inf": float("-inf"), "-.INF": float("-inf"),
}  # fmt: skip
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|0([0-7]+)|(0|[1-9][0-9]*))\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def resolve_scalar(text: str) -> Any:
    """Give an unquoted scalar its value: None, bool, int, float or str."""
    if text and text[0] not in _RESOLVABLE_FIRST:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    digits = text.replace("_", "") if "_" in text else text
    found = _INTEGER.match(digits)
    if found:
        sign, hexa, octal, binary, plain_octal, decimal = found.groups()
        number = _integer(hexa, octal or plain_octal, binary, decimal)
        number = -number if sign == "-" else number
        return number if -(2**63) <= number < 2**64 else float(number)
    if _FLOAT.match(digits):
        value = float(digits)
        return text if value in (float("inf"), float("-inf")) else value
    return text


def _integer(hexa: str | None, octal: str | None, binary: str | None, decimal: str | None) -> int:
    if decimal is not None:
        # Python refuses to convert very long decimals in one go; nothing beyond 64 bits stays an integer anyway.
        return int(decimal) if len(decimal) <= 20 else 2**64
    if hexa is not None:
        return int(hexa, 16)
    return int(octal, 8) if octal is not None else int(binary or "0", 2)
