"""Who can do what: agents, skills and commands out of ``config/agents/*.yaml``. Adding one is a file, no code."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from glue.agents.understanding import Complexity, TaskType
from glue.errors import ConfigInvalid

SIZES = tuple(Complexity)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Part):
    """Credits of a step: a base and a price for every thousand tokens read and written (or, without a model, made)."""

    step: int = Field(ge=0)
    per_1k_tokens: Decimal = Field(ge=0)

    def credits(self, tokens: int) -> int:
        """Whole credits, rounded up."""
        return self.step + int((self.per_1k_tokens * tokens / 1000).to_integral_value(ROUND_CEILING))

    def tokens_within(self, credits_: int) -> int:
        """How many tokens ``credits_`` pay for; a very large number when tokens cost nothing."""
        if credits_ < self.step:
            return 0
        return int((credits_ - self.step) * 1000 / self.per_1k_tokens) if self.per_1k_tokens else 10**9


class BySize(_Part):
    """A figure for each size of work."""

    simple: int
    moderate: int
    complex: int
    enterprise: int

    def of(self, size: str) -> int:
        return int(getattr(self, size))


class Agent(_Part):
    """One entry. ``fit`` says how well it does a task type (0 to 1); ``coordinates`` that it leads others in large work.

    ``model`` is PROVIDER:NAME, or ``command``: then ``command`` are the words to run.
    """

    code: str = Field(pattern="^[a-z][a-z0-9_-]*$")
    kind: Literal["agent", "skill", "command"]
    title: str
    summary: str
    fit: dict[TaskType, Annotated[float, Field(ge=0, le=1)]]
    smallest: Complexity = Complexity.SIMPLE
    largest: Complexity = Complexity.ENTERPRISE
    coordinates: bool = False
    default: bool = False
    model: str = ""
    command: tuple[str, ...] = ()
    tools: tuple[Literal["read_files", "write_files", "search_files", "run_command"], ...] = ()
    checks: tuple[Literal["not_empty", "has_title", "links", "quiz_keys", "reading_level", "json"], ...] = ("not_empty",)
    price: Price
    tokens: BySize
    minutes: BySize
    instructions: str

    @model_validator(mode="after")
    def _has_its_command(self) -> "Agent":
        if (self.model == "command") != bool(self.command):
            raise ValueError("`model: command` and the words of `command` belong together")
        return self

    def takes(self, size: Complexity) -> bool:
        return SIZES.index(self.smallest) <= SIZES.index(size) <= SIZES.index(self.largest)


class Registry:
    """All agents by code."""

    def __init__(self, agents: list[Agent]) -> None:
        self._agents = {agent.code: agent for agent in agents}
        if sum(agent.default for agent in agents) != 1:
            raise ConfigInvalid("Exactly one agent must be the default.", remedy="Set `default: true` in one file of config/agents/.")
        self.default = next(agent for agent in agents if agent.default)

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def find(self, code: str) -> Agent | None:
        return self._agents.get(code)

    def get(self, code: str) -> Agent:
        """Raises ConfigInvalid for one that is not declared (any more)."""
        try:
            return self._agents[code]
        except KeyError:
            raise ConfigInvalid(f"There is no agent {code}.", remedy=f"Declare it in config/agents/{code}.yaml.") from None

    def best(self, task: TaskType, size: Complexity, *, leads: bool = False) -> Agent | None:
        """Who fits the task best at this size; with ``leads`` an ability to coordinate counts. None when nobody does."""
        able = [agent for agent in self if agent.takes(size) and agent.fit.get(task, 0) > 0]
        return max(able, key=lambda agent: (agent.fit[task] + 0.2 * (leads and agent.coordinates), agent.code), default=None)


def load_registry(config_dir: Path) -> Registry:
    """Read ``config/agents``. Raises ConfigInvalid naming the file, the place in it and what was expected."""
    folder = config_dir / "config" / "agents"
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigInvalid(f"No agents are declared in {folder}.", remedy="Set GLUE_CONFIG_DIR to the folder that holds config/.")
    return Registry([_read(file) for file in files])


def _read(file: Path) -> Agent:
    try:
        return parse_agent(YAML(typ="safe").load(file.read_text(encoding="utf-8")), file=file.name)
    except YAMLError as error:
        raise ConfigInvalid(f"{file.name} is not YAML: {error}", remedy="Correct the file.", file=file.name) from error


def parse_agent(document: Mapping[str, Any], *, file: str) -> Agent:
    """Check one file's content."""
    try:
        agent = Agent.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigInvalid(f"{file}: {place}: {first['msg']}", remedy="Correct the file.", file=file, place=place) from error
    if file.removesuffix(".yaml") != agent.code:
        raise ConfigInvalid(f"{file}: code: is {agent.code}.", remedy="Name the file like its code.", file=file, place="code")
    return agent
