"""Collects every sentence of the pages and brings the catalogs in portal/locale up to date: `python scripts/extract_messages.py`.

Sentences stand in templates (`_`, `plural`), in the portal's modules (`say`, `text`, `plural`, titles of pages and of the menu) and
in errors that people read (`raise Conflict("…", remedy="…")`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from glue.agents import planning
from glue.catalog.files import load_tiers
from glue.errors import GlueError
from portal.event_words import SENTENCES, STANDINGS
from portal.invoice_pdf import REDUCTIONS
from portal.languages import FOLDER, LOCALES
from portal.names import FEATURES, METERS
from portal.samples import SAMPLES
from portal.site import _CUSTOMER_NAV, _OPERATOR_NAV

ROOT = Path(__file__).parents[1]
AGENTS = tuple(f"glue/agents/{name}.py" for name in ("accepting", "artifacts", "books", "quoting"))
MODULES = ("portal", "glue/actions", *AGENTS, "glue/support", "glue/switches.py")
TOLD = ("detail", "remedy")
Message = str | tuple[str, str]


def _kinds(of: type[GlueError] = GlueError) -> Iterator[type[GlueError]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


ERRORS = {kind.__name__: kind.title for kind in _kinds()}  # with the portal's own


def collect() -> dict[Message, None]:
    """Every message once, in a stable order."""
    found: dict[Message, None] = {}
    for template in sorted((ROOT / "portal/templates").rglob("*.html")):
        if not template.name.startswith(("operator", "design")):  # pages for ourselves
            with template.open("rb") as stream:
                for _, message, _, _ in extract("jinja2.ext:babel_extract", stream, keywords={"_": None, "plural": (1, 2)}):
                    found[message] = None
    for folder in MODULES:
        for file in sorted((ROOT / folder).rglob("*.py")) or [ROOT / folder]:
            if not any(part.startswith("operator") for part in (file.parent.name, file.name)):
                found |= dict.fromkeys(_in_module(ast.parse(file.read_text(encoding="utf-8"))))
    found |= dict.fromkeys(ERRORS.values())
    found |= dict.fromkeys(label for _, label, *_ in (*_CUSTOMER_NAV, *_OPERATOR_NAV))
    found |= dict.fromkeys(text for sample in SAMPLES for text in (sample.title, sample.summary))
    found |= dict.fromkeys(tier.summary for tier in load_tiers(ROOT))
    found |= dict.fromkeys(planning._TITLES.values())
    found |= dict.fromkeys((*REDUCTIONS.values(), *STANDINGS.values(), *METERS.values(), *FEATURES.values()))
    found |= dict.fromkeys(sentence for _, sentence in SENTENCES if sentence)
    return {message: None for message in found if message}


def _in_module(tree: ast.Module) -> Iterator[Message]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
        owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
        if name in {"say", "text"} and owner != "sa" and texts and len(node.args) == 1:
            yield texts[0]
        elif name == "plural" and len(texts) == 2:
            yield texts[0], texts[1]
        elif name in ERRORS:
            yield from texts[:1]
            yield from (kw.value.value for kw in node.keywords if kw.arg in TOLD and isinstance(kw.value, ast.Constant))
        elif name == "page":
            yield from (kw.value.value for kw in node.keywords if kw.arg == "title" and isinstance(kw.value, ast.Constant))


def update(locale: str, messages: dict[Message, None]) -> Catalog:
    """The catalog with exactly these messages; what was translated stays."""
    file = FOLDER / f"{locale}.po"
    catalog = Catalog(locale=locale, project="Coditect", fuzzy=False)
    if file.exists():
        with file.open("rb") as stream:
            catalog = read_po(stream, locale=locale)
    known = {message.id: message.string for message in catalog if message.id}
    fresh = Catalog(
        locale=locale, project="Coditect", fuzzy=False, creation_date=catalog.creation_date, revision_date=catalog.creation_date
    )
    for message in messages:
        string = known.get(message) or (("",) * fresh.num_plurals if isinstance(message, tuple) else "")
        flags = ("python-format",) if "%(" in (message if isinstance(message, str) else message[0]) else ()
        fresh.add(message, string, flags=flags)
    return fresh


def untranslated(locale: str) -> list[Message]:
    """Messages that the catalog lacks or leaves empty."""
    return [message.id for message in update(locale, collect()) if message.id and not all(_strings(message.string))]


def _strings(string: object) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, list | tuple) else (str(string or ""),)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    messages = collect()
    for locale in LOCALES:
        if locale != "en":
            fresh = update(locale, messages)
            with (FOLDER / f"{locale}.po").open("wb") as stream:
                write_po(stream, fresh, width=0)
            print(f"{locale}: {len(messages)} messages, {len(untranslated(locale))} to translate")


if __name__ == "__main__":
    main()
