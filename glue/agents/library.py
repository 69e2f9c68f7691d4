"""What remains of runs: found by words, exported, offered again, and kept as named states that can be compared and restored."""

import html
import json
import re
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from glue.agents.artifacts import ArtifactStore
from glue.agents.books import Books, Page
from glue.agents.executors import File
from glue.agents.planning import Step
from glue.agents.search import SearchIndex, readable
from glue.agents.tables import AgentCheckpoint, AgentRun, RunArtifact
from glue.agents.views import Offer, RunView
from glue.agents.words import split_words
from glue.errors import BadInput, Conflict, NotFound
from glue.rules.names import TenantId

ExportFormat = Literal["markdown", "json", "html"]
EXPORT_TYPES: dict[ExportFormat, str] = {"markdown": "text/markdown", "json": "application/json", "html": "text/html"}
ALIKE = 0.6  # share of words two requests have in common, from which on earlier work is offered
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Found(_View):
    """A run, or a file of it (``name``), with the words around the first hit."""

    run_id: str
    name: str
    title: str
    excerpt: str


class CheckpointView(_View):
    name: str
    files: int
    by: str
    at: str
    archived: bool


class Comparison(_View):
    """Names of files: only in the second state, only in the first, in both with different content."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Library:
    """Everything is one tenant's: nothing is found, offered or restored across customers."""

    def __init__(self, books: Books, store: ArtifactStore, index: SearchIndex, *, run_of: Callable[[TenantId, str], RunView]) -> None:
        self._books, self._store, self._index, self._run_of = books, store, index, run_of

    # --- find and export ----------------------------------------------------------------------------------------------

    def search(self, tenant: TenantId, query: str, *, limit: int = 20) -> list[Found]:
        """Requests and files with all the words, best first."""
        words = _words(query)
        return [
            Found(run_id=row.run_id, name=row.name, title=row.title, excerpt=_excerpt(row.text, words))
            for row in self._index.find(tenant, words, limit=limit)
        ]

    def forget(self) -> None:
        """After an erasure: the index is built anew."""
        self._index.forget()

    def export(self, tenant: TenantId, run_id: str, *, form: ExportFormat) -> str:
        """A run with its steps and readable files as one document."""
        run = self._run_of(tenant, run_id)
        files = [
            (artifact, self._store.get(tenant, artifact.digest).decode("utf-8", errors="replace"))
            for artifact in run.artifacts
            if readable(artifact.media_type)
        ]
        match form:
            case "json":
                contents = {artifact.name: content for artifact, content in files}
                return json.dumps({"run": run.model_dump(mode="json"), "files": contents}, indent=2, ensure_ascii=False)
            case "html":
                return _as_html(run, [(artifact.name, content) for artifact, content in files])
            case _:
                return _as_markdown(run, [(artifact.name, content) for artifact, content in files])

    # --- offer again --------------------------------------------------------------------------------------------------

    def offers(self, tenant: TenantId, text: str, *, limit: int = 3) -> list[Offer]:
        """Completed runs of the same customer whose request is alike, most alike first."""
        wanted = set(_words(text))
        offers = []
        for row in self._index.find(tenant, sorted(wanted), limit=30, everything=False):
            likeness = _likeness(wanted, set(_words(row.text)))
            if row.name or likeness < ALIKE:
                continue
            with self._books.read(tenant) as page:
                run = page.session.exec(select(AgentRun).where(AgentRun.id == row.run_id, AgentRun.state == "completed")).first()
                tokens = sum(step.tokens for step in page.steps(row.run_id)) if run else 0
            if run:
                offers.append(
                    Offer(run_id=run.id, text=row.text, likeness=round(likeness, 2), saves_credits=run.settled, saves_tokens=tokens)
                )
        return sorted(offers, key=lambda offer: -offer.likeness)[:limit]

    def earlier_files(self, tenant: TenantId, run_id: str, step: Step) -> tuple[File, ...]:
        """Files that a step of the same name made for an alike request in the same language: what a model may build upon."""
        with self._books.read(tenant) as page:
            quote = page.quote(page.run(run_id).quote_id)
        for offer in self.offers(tenant, quote.text):
            with self._books.read(tenant) as page:
                other = page.quote(page.run(offer.run_id).quote_id)
                rows = [row for row in page.artifacts(offer.run_id) if row.step == step.name]
            if offer.run_id != run_id and other.analysis["language"] == quote.analysis["language"]:
                return tuple(File(row.name, row.title, row.media_type, self._store.get(tenant, row.digest)) for row in rows)
        return ()

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def keep(self, tenant: TenantId, run_id: str, name: str, *, by: str) -> CheckpointView:
        """Name the present state of a run's files. The same name again with the same state is fine. Raises BadInput, Conflict."""
        if not _NAME.fullmatch(name):
            raise BadInput("This name cannot be used.", field="name", expected="1 to 60 letters, digits, spaces, dots, dashes")
        with self._books.change(tenant) as page:
            page.run(run_id)
            files = _state(page, run_id)
            known = page.session.exec(select(AgentCheckpoint).where(AgentCheckpoint.run_id == run_id, AgentCheckpoint.name == name)).first()
            if known is not None and known.files != files:
                raise Conflict(f"There is a checkpoint {name} already.", remedy="Use another name.", name=name)
            row = known or AgentCheckpoint(tenant_id=tenant, run_id=run_id, name=name, files=files, by=by, at=page.now)
            page.session.add(row)
            if known is None:
                page.tell(run_id, "checkpoint_kept", name=name, by=by, files=len(files))
            return _checkpoint_view(row)

    def checkpoints(self, tenant: TenantId, run_id: str, *, archived: bool = False) -> list[CheckpointView]:
        """Oldest first; archived ones only when asked for."""
        with self._books.read(tenant) as page:
            page.run(run_id)
            rows = page.session.exec(select(AgentCheckpoint).where(AgentCheckpoint.run_id == run_id).order_by(col(AgentCheckpoint.id)))
            return [_checkpoint_view(row) for row in rows if archived or not row.archived]

    def archive(self, tenant: TenantId, run_id: str, name: str) -> None:
        """Put a checkpoint out of sight; it can still be restored."""
        with self._books.change(tenant) as page:
            row = _checkpoint(page, run_id, name)
            row.archived = True
            page.session.add(row)

    def compare(self, tenant: TenantId, run_id: str, first: str, second: str | None = None) -> Comparison:
        """Two checkpoints, or one and the present state."""
        with self._books.read(tenant) as page:
            before = _checkpoint(page, run_id, first).files
            after = _state(page, run_id) if second is None else _checkpoint(page, run_id, second).files
        return Comparison(
            added=tuple(sorted(after.keys() - before.keys())),
            removed=tuple(sorted(before.keys() - after.keys())),
            changed=tuple(sorted(name for name in before.keys() & after.keys() if before[name]["digest"] != after[name]["digest"])),
        )

    def restore(self, tenant: TenantId, run_id: str, name: str, *, by: str) -> Comparison:
        """Bring a run's files back to a checkpoint; what was there is kept as a checkpoint first. Raises Conflict while it runs."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state in {"running", "queued"}:
                raise Conflict("The run is working on its files.", remedy="Pause it first.", run=run_id, state=run.state)
            wanted, present = _checkpoint(page, run_id, name).files, _state(page, run_id)
            saved = f"before {name} {page.now:%Y-%m-%d %H.%M.%S.%f}"
            page.session.add(AgentCheckpoint(tenant_id=tenant, run_id=run_id, name=saved, files=present, by=by, at=page.now))
            for row in page.artifacts(run_id):
                page.session.delete(row)
            page.session.flush()
            page.session.add_all(
                RunArtifact(tenant_id=tenant, run_id=run_id, name=file, at=page.now, **facts) for file, facts in wanted.items()
            )
            page.tell(run_id, "checkpoint_restored", name=name, by=by)
        return self.compare(tenant, run_id, saved)


def _state(page: Page, run_id: str) -> dict[str, dict[str, object]]:
    kept = ("digest", "title", "media_type", "step", "size", "made_by")
    return {row.name: {field: getattr(row, field) for field in kept} for row in page.artifacts(run_id)}


def _checkpoint(page: Page, run_id: str, name: str) -> AgentCheckpoint:
    page.run(run_id)
    found = page.session.exec(select(AgentCheckpoint).where(AgentCheckpoint.run_id == run_id, AgentCheckpoint.name == name)).first()
    if found is None:
        raise NotFound("The run has no such checkpoint.", run=run_id, name=name)
    return found


def _checkpoint_view(row: AgentCheckpoint) -> CheckpointView:
    return CheckpointView(name=row.name, files=len(row.files), by=row.by, at=row.at.isoformat(), archived=row.archived)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.text for word in split_words(text) if len(word.text) > 1))[:40]


def _likeness(first: set[str], second: set[str]) -> float:
    return len(first & second) / max(1, len(first | second))


def _excerpt(text: str, words: list[str]) -> str:
    places = [place for word in words if (place := text.lower().find(word)) >= 0]
    start = max(0, min(places, default=0) - 60)
    return " ".join(text[start : start + 200].split())


def _as_markdown(run: RunView, files: list[tuple[str, str]]) -> str:
    steps = "\n".join(f"| {step.title} | {step.agent} | {step.state} | {step.cost} |" for step in run.steps)
    parts = [
        f"# Run {run.id}",
        f"> {run.text}",
        f"State: {run.state}. Cost: {run.cost} of {run.cap} credits.",
        f"| Step | Agent | State | Credits |\n|---|---|---|---|\n{steps}",
    ]
    return "\n\n".join([*parts, *(f"---\n\n<!-- {name} -->\n\n{content}" for name, content in files)]) + "\n"


def _as_html(run: RunView, files: list[tuple[str, str]]) -> str:
    """Everything an agent or a person wrote is escaped: the page holds no markup but its own."""
    text = html.escape
    rows = "".join(f"<tr><td>{text(step.title)}<td>{text(step.agent)}<td>{step.state}<td>{step.cost}</tr>" for step in run.steps)
    sections = "".join(f"<section><h2>{text(name)}</h2><pre>{text(content)}</pre></section>" for name, content in files)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text(run.id)}</title><h1>{text(run.id)}</h1><blockquote>{text(run.text)}'
        f"</blockquote><p>{run.state}, {run.cost} of {run.cap} credits</p><table><tr><th>Step<th>Agent<th>State<th>Credits</tr>{rows}</table>{sections}</html>\n"
    )
