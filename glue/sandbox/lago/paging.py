"""Pages of a list, with Lago's own way of reading bad page numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from glue.sandbox.lago.errors import broken

PER_PAGE = 100
LARGEST_PAGE = 2**63


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    try:
        return int(query[name][-1])
    except (KeyError, ValueError):
        return default


def page_of(query: dict[str, list[str]], name: str, rows: Sequence[Any], show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The page that ``query`` asks for, under ``name``, with ``meta``. There is no largest page size."""
    if "page[]" in query:
        raise broken()
    page = max(_number(query, "page", 1), 1)
    size = _number(query, "per_page", PER_PAGE)
    if size == 0 or page >= LARGEST_PAGE:
        raise broken()
    if size < 0:
        size = PER_PAGE
    pages = -(-len(rows) // size)
    shown = rows[(page - 1) * size : page * size]
    return {
        name: [show(row) for row in shown],
        "meta": {
            "current_page": page if rows else 0,
            "next_page": page + 1 if page < pages else None,
            "prev_page": page - 1 if rows and page > 1 else None,
            "total_pages": pages,
            "total_count": len(rows),
        },
    }
