"""The documentation says what the code does: pages that code knows best are compared, links lead somewhere."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import write_reference

from glue import errors
from glue.cli import NOUNS
from glue.settings import known_names

DOCS = Path("docs")
PAGES = sorted([*DOCS.rglob("*.md"), Path("README.md"), Path("CHANGELOG.md")])


@pytest.mark.parametrize("name", ["settings.md", "errors.md"])
def test_the_reference_is_what_the_code_says(name):
    assert (DOCS / "reference" / name).read_text() == write_reference.PAGES[name](), "run scripts/write_reference.py"


def test_every_command_is_documented():
    text = (DOCS / "reference/commands.md").read_text()
    assert {noun for noun in NOUNS if f"## glue {noun}\n" not in text} == set(), "run scripts/write_reference.py"


def test_every_setting_is_documented():
    text = (DOCS / "reference/settings.md").read_text()
    assert {name for name in known_names() if f"`{name}`" not in text} == set()


def test_every_error_is_documented():
    text = (DOCS / "reference/errors.md").read_text()
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GlueError)}
    assert {code for code in codes if f"`{code}`" not in text} == set()


@pytest.mark.parametrize("document", PAGES, ids=str)
def test_links_between_pages_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "reference", "explanation", "decisions"])
def test_every_page_is_in_its_folders_index(folder):
    index = (DOCS / folder / "index.md").read_text()
    assert [page.name for page in (DOCS / folder).glob("*.md") if page.name != "index.md" and f"({page.name})" not in index] == []


def test_the_readme_has_the_two_commands():
    text = Path("README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
