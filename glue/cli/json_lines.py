"""JSON Lines in, JSON Lines out: what the batch forms of commands share."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

Row = dict[str, Any]


def read_rows(stream: TextIO, *, needs: str) -> Iterator[Row]:
    """The objects of ``stream``; a line that is none, or lacks ``needs``, comes as ``{"id", "error"}``."""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            yield {"id": f"line {number}", "error": "not JSON"}
            continue
        if not isinstance(row, dict):
            yield {"id": f"line {number}", "error": "not an object"}
        elif needs not in row:
            yield {"id": row.get("id", f"line {number}"), "error": f"lacks {needs!r}"}
        else:
            yield row


def write_row(row: Row) -> None:
    """One line on standard output."""
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def answer_texts(answer: Callable[[str], Row]) -> int:
    """For each line ``{"id", "text"}`` on standard input one line ``{"id", …}``; the exit code: 1 if a line was bad."""
    failed = False
    for row in read_rows(sys.stdin, needs="text"):
        error = row.get("error") if "text" not in row else None if isinstance(row["text"], str) else "'text' is not a string"
        failed |= error is not None
        write_row({"id": row.get("id"), "error": error} if error else {"id": row.get("id"), **answer(row["text"])})
    sys.stdout.flush()
    return int(failed)
