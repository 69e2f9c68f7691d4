"""JSON as Rails writes it: UTF-8, with <, >, & and the two line separators escaped."""

import json
from typing import Any

_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES).encode()
