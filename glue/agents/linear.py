"""A linear classifier that needs nothing but the standard library at run time.

One file holds several *heads* (questions), each with its labels. Layout, zlib-compressed: a JSON line with the heads and the
scale of each label, then the sorted CRC-32 of every known feature (4 bytes each, little-endian), then one signed byte a label
and feature. ``scripts/train_understanding.py`` writes it.
"""

import json
import math
import zlib
from array import array
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any


class LinearModel:
    """Answers each head with a probability per label; ``explain`` names the features that spoke for one."""

    def __init__(self, packed: bytes) -> None:
        header_line, _, body = zlib.decompress(packed).partition(b"\n")
        header: dict[str, Any] = json.loads(header_line)
        rows = header["rows"]
        hashes = array("I")
        hashes.frombytes(body[: 4 * rows])
        self._row = dict(zip(hashes, range(rows), strict=True))
        self._weights = memoryview(body)[4 * rows :].cast("b")
        self._scale: list[float] = header["scale"]
        self._bias: list[float] = header["bias"]
        self._width = len(self._scale)
        self._heads: dict[str, tuple[int, list[str]]] = {}
        at = 0
        for name, labels in header["heads"].items():
            self._heads[name] = (at, labels)
            at += len(labels)

    def knows(self, feature: str) -> bool:
        """Whether training has seen ``feature``."""
        return zlib.crc32(feature.encode()) in self._row

    def probabilities(self, head: str, features: Iterable[str]) -> dict[str, float]:
        """Probability per label of ``head``; the same features always give the same answer."""
        scores = self._scores(head, features)
        top = max(scores.values())
        exponentials = {label: math.exp(score - top) for label, score in scores.items()}
        whole = sum(exponentials.values())
        return {label: value / whole for label, value in exponentials.items()}

    def chances(self, head: str, features: Iterable[str]) -> dict[str, float]:
        """The same for a head whose labels do not exclude each other: a probability for each by itself."""
        return {label: 1 / (1 + math.exp(-score)) for label, score in self._scores(head, features).items()}

    def _scores(self, head: str, features: Iterable[str]) -> dict[str, float]:
        at, labels = self._heads[head]
        rows = self._rows(features)
        length = math.sqrt(len(rows)) or 1.0
        scores = {}
        for column, label in enumerate(labels, at):
            total = sum(self._weights[row * self._width + column] for row in rows)
            scores[label] = self._bias[column] + total * self._scale[column] / length
        return scores

    def explain(self, head: str, label: str, features: Iterable[str]) -> list[tuple[str, float]]:
        """``(feature, weight)`` for those that spoke for ``label`` more than for the average label, strongest first."""
        at, labels = self._heads[head]
        found = []
        for feature in dict.fromkeys(features):
            row = self._row.get(zlib.crc32(feature.encode()))
            if row is None:
                continue
            weights = [self._weights[row * self._width + at + i] * self._scale[at + i] for i in range(len(labels))]
            lead = weights[labels.index(label)] - sum(weights) / len(weights)
            if lead > 0:
                found.append((feature, lead))
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _rows(self, features: Iterable[str]) -> list[int]:
        known = (self._row.get(zlib.crc32(feature.encode())) for feature in dict.fromkeys(features))
        return [row for row in known if row is not None]


@lru_cache(maxsize=4)
def load_model(package: str) -> LinearModel:
    """The model committed beside ``package`` as ``weights.bin``, read once."""
    return LinearModel(files(package).joinpath("weights.bin").read_bytes())
