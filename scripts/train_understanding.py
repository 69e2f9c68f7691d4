"""Learns the weights of the request classifier and of the command router and writes them beside the packages.

    uv run --group train python scripts/train_understanding.py [understanding|router]

Deterministic: the same sentences give the same bytes. Needs numpy, scipy and scikit-learn, which nothing needs at run time.
"""

import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import compose_commands
import compose_requests
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from glue.agents.router.features import extract_features as extract_router_features
from glue.agents.understanding.features import extract_features as extract_request_features

AGENTS = Path(__file__).parents[1] / "glue/agents"
TASK_TYPES = (
    "content_generation assessment_creation curriculum_planning quality_assurance project_management research_analysis notebooklm_optimization"
).split()


class Vectors:
    """Binary features with the length of each row brought to 1; features seen once are dropped."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        counts = Counter(feature for document in documents for feature in set(document))
        by_hash: dict[int, str] = {}
        for feature in sorted(feature for feature, count in counts.items() if count > 1):
            by_hash.setdefault(zlib.crc32(feature.encode()), feature)
        self.hashes = sorted(by_hash)
        self.column = {number: at for at, number in enumerate(self.hashes)}

    def matrix(self, documents: Sequence[Sequence[str]]) -> csr_matrix:
        """One row a document."""
        indices: list[int] = []
        values: list[float] = []
        pointers = [0]
        for document in documents:
            known = {self.column[number] for number in (zlib.crc32(feature.encode()) for feature in document) if number in self.column}
            indices += sorted(known)
            values += [len(known) ** -0.5] * len(known)
            pointers.append(len(indices))
        return csr_matrix((values, indices, pointers), shape=(len(documents), len(self.column)))


# name, labels, the right label of each row (or all the right ones, as a tuple), regularization
Head = tuple[str, list[str], Sequence[str] | Sequence[tuple[str, ...]], float]


def fit(matrix: csr_matrix, heads: Sequence[Head], weights: Sequence[float]) -> tuple[np.ndarray, list[float]]:
    """Weights (feature by label, heads side by side) and biases."""
    columns, biases = [], []
    for _, labels, right, strength in heads:
        model = LogisticRegression(C=strength, max_iter=600, tol=1e-3)
        if isinstance(right[0], tuple):
            rare = [3.0 * weight if several else weight for weight, several in zip(weights, right, strict=True)]
            for label in labels:
                model.fit(matrix, [label in several for several in right], sample_weight=np.array(rare))
                columns.append(model.coef_.T)
                biases.append(float(model.intercept_[0]))
            continue
        model.fit(matrix, right, sample_weight=np.array(weights))
        order = [list(model.classes_).index(label) for label in labels]
        columns.append(model.coef_[order].T)
        biases += [float(value) for value in model.intercept_[order]]
    return np.hstack(columns), biases


def pack(vectors: Vectors, heads: Sequence[Head], weights: np.ndarray, biases: Sequence[float]) -> bytes:
    """The file that ``glue.agents.linear`` reads; features whose weights round to nothing are left out."""
    scale = np.abs(weights).max(axis=0) / 127
    rounded = np.rint(weights / scale).astype(np.int8)
    kept = np.flatnonzero(np.abs(rounded).max(axis=1) > 0)
    header = {
        "heads": {name: labels for name, labels, _, _ in heads},
        "scale": [float(s) for s in scale],
        "bias": list(biases),
        "rows": len(kept),
    }
    hashes = struct.pack(f"<{len(kept)}I", *(vectors.hashes[at] for at in kept))
    return zlib.compress(json.dumps(header).encode() + b"\n" + hashes + rounded[kept].tobytes(), 9)


def train(package: str, documents: Sequence[Sequence[str]], heads: Sequence[Head], weights: Sequence[float]) -> None:
    """Fits and writes ``weights.bin`` of ``package``."""
    vectors = Vectors(documents)
    packed = pack(vectors, heads, *fit(vectors.matrix(documents), heads, weights))
    (AGENTS / package / "weights.bin").write_bytes(packed)
    print(f"{package}: {len(documents)} sentences, {len(vectors.hashes)} features, {len(packed) // 1024} KiB")


def train_understanding() -> None:
    """Task type and complexity."""
    requests = compose_requests.compose()
    heads: list[Head] = [
        ("task_type", TASK_TYPES, [request.task_type for request in requests], 6.0),
        ("complexity", ["simple", "moderate", "complex", "enterprise"], [request.complexity for request in requests], 8.0),
        ("supports", TASK_TYPES, [request.expects_support for request in requests], 8.0),
    ]
    train(
        "understanding", [extract_request_features(request.text) for request in requests], heads, [request.weight for request in requests]
    )


def train_router() -> None:
    """The command of a sentence."""
    compose_commands.write_known_words()
    sentences = compose_commands.compose()
    labels = sorted({sentence.command for sentence in sentences})
    heads: list[Head] = [("command", labels, [sentence.command for sentence in sentences], 40.0)]
    train("router", [extract_router_features(sentence.text) for sentence in sentences], heads, [sentence.weight for sentence in sentences])


PACKAGES: dict[str, Callable[[], None]] = {"understanding": train_understanding, "router": train_router}

if __name__ == "__main__":
    for name in sys.argv[1:] or PACKAGES:
        PACKAGES[name]()
