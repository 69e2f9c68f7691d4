"""What is looked at in files before they count: a finding says what is wrong, for whoever makes them again. Pure."""

import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from glue.agents.executors import File

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]*)[^)]*\)")
_QUESTION = re.compile(r"^#{2,4}\s+\D{0,20}(\d+)\b", re.MULTILINE)
_OPTION = re.compile(r"^\s*[-*]?\s*([A-H])[).:]\s+\S", re.MULTILINE)
_KEY = re.compile(r"^\s*(\d+)[.):]?\s+\**([A-H])\b", re.MULTILINE)
_KEY_HEADING = re.compile(
    r"^#{1,4}\s+.*(?:key|answers?|solutions?|lösung\w*|schlüssel|respuestas|corrigé|gabarito)\b.*$", re.IGNORECASE | re.MULTILINE
)
LONGEST_SENTENCE = 28  # words on average; above, beginners lose the thread


def check_files(files: Sequence[File], names: Sequence[str]) -> list[str]:
    """Findings of the named checks, each once; empty when all is well."""
    if not files:
        return ["No file was made."]
    texts = {file.name: file.content.decode("utf-8", errors="replace") for file in files}
    return list(dict.fromkeys(finding for name in names for file in files for finding in _CHECKS[name](file.name, texts[file.name])))


def _not_empty(name: str, text: str) -> list[str]:
    return [] if len(text.split()) >= 5 else [f"{name} is empty."]


def _has_title(name: str, text: str) -> list[str]:
    return [] if not name.endswith(".md") or re.search(r"^# \S", text, re.MULTILINE) else [f"{name} has no title."]


def _links(name: str, text: str) -> list[str]:
    bad = [
        link for link in _LINK.findall(text) if not link or (urlsplit(link).scheme not in {"https", "mailto"} and not link.startswith("#"))
    ]
    return [f"{name} has a link that leads nowhere: {link or '(empty)'}." for link in bad if "/" in link or not link or ":" in link]


def _quiz_keys(name: str, text: str) -> list[str]:
    if name.endswith(".json"):
        return _quiz_data(name, text)
    body, sign, key = _split_key(text)
    if not sign:
        return [f"{name} has no answer key."]
    answers = {int(number): letter for number, letter in _KEY.findall(key)}
    findings = []
    places = list(_QUESTION.finditer(body))
    for place, found in enumerate(places):
        end = places[place + 1].start() if place + 1 < len(places) else len(body)
        options = set(_OPTION.findall(body[found.end() : end]))
        number = int(found[1])
        if options and answers.get(number) not in options:
            findings.append(f"{name}: the key of question {number} is {answers.get(number, 'missing')}, which is none of its options.")
    return findings if places else [f"{name} has no questions."]


def _split_key(text: str) -> tuple[str, str, str]:
    """Text before the last heading that names a key, that heading, and what follows."""
    places = list(_KEY_HEADING.finditer(text))
    return (text[: places[-1].start()], places[-1][0], text[places[-1].end() :]) if places else (text, "", "")


def _quiz_data(name: str, text: str) -> list[str]:
    if finding := _json(name, text):
        return finding
    questions = json.loads(text).get("questions", [])
    return [
        f"{name}: the key of question {question.get('number')} is none of its options."
        for question in questions
        if question.get("answer") not in question.get("options", {})
    ] or ([] if questions else [f"{name} has no questions."])


def _reading_level(name: str, text: str) -> list[str]:
    sentences = [part.split() for part in re.split(r"[.!?:\n]+", re.sub(r"[|#>*`_-]+", " ", text)) if len(part.split()) > 2]
    mean = sum(map(len, sentences)) / max(1, len(sentences))
    return [f"{name} is hard to read: {mean:.0f} words a sentence."] if name.endswith(".md") and mean > LONGEST_SENTENCE else []


def _json(name: str, text: str) -> list[str]:
    if not name.endswith(".json"):
        return []
    try:
        return [] if isinstance(json.loads(text), dict) else [f"{name} is not a JSON object."]
    except ValueError as error:
        return [f"{name} is not JSON: {error}."]


_CHECKS: dict[str, Callable[[str, str], list[str]]] = {
    "not_empty": _not_empty,
    "has_title": _has_title,
    "links": _links,
    "quiz_keys": _quiz_keys,
    "reading_level": _reading_level,
    "json": _json,
}
