"""Identifiers and key styles: UUIDs as Keygen accepts them, camelCase and snake_case."""

import re
import secrets
import time
from functools import lru_cache
from typing import Any

UUID_V4 = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?(4[0-9a-f]{3})-?([89ab][0-9a-f]{3})-?([0-9a-f]{12})", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")


def read_uuid(text: Any) -> str | None:
    """The canonical form of an id; None for what 1.5.1 does not take as one (any shape but version 4)."""
    match = UUID_V4.fullmatch(text) if isinstance(text, str) else None
    return "-".join(match.groups()).lower() if match else None


def time_ordered_id() -> str:
    """A UUID of version 7, as request ids are."""
    digits = f"{int(time.time() * 1000):012x}7{secrets.token_hex(2)[1:]}{0x8000 | secrets.randbits(14):04x}{secrets.token_hex(6)}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    return "_".join(word for word in _OTHER.split(_HUMP.sub("_", name)) if word).lower()


@lru_cache(maxsize=4096)
def camel(name: str) -> str:
    """LowerCamelCase by way of snake_case, as every key comes back: ``KC_User`` and ``kc.user`` are ``kcUser``, ``🔑`` is empty."""
    first, *rest = snake(name).split("_")
    return first + "".join(word.capitalize() for word in rest)
