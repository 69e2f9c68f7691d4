"""The commands a sentence can be routed to: what each may be told, and which of them need a named object."""

from typing import NamedTuple


class Command(NamedTuple):
    """``takes`` are the arguments that may be filled from text; ``needs`` the one without which a destructive command is refused."""

    takes: tuple[str, ...] = ()
    needs: str | None = None


NONE = "none"

COMMANDS: dict[str, Command] = {
    "glue up": Command(),
    "glue plan": Command(),
    "glue apply": Command(("file",), "file"),
    "glue diff": Command(),
    "glue doctor": Command(),
    "glue tenants list": Command(("status", "plan")),
    "glue tenants show": Command(("tenant",)),
    "glue tenants invite": Command(("tenant", "email")),
    "glue tenants change-plan": Command(("tenant", "plan")),
    "glue tenants suspend": Command(("tenant",), "tenant"),
    "glue tenants resume": Command(("tenant",)),
    "glue tenants cancel": Command(("tenant",), "tenant"),
    "glue tenants export": Command(("tenant",)),
    "glue tenants erase": Command(("tenant",), "tenant"),
    "glue licenses list": Command(("tenant",)),
    "glue licenses show": Command(("license",)),
    "glue licenses revoke": Command(("license",), "license"),
    "glue licenses reissue": Command(("license",), "license"),
    "glue machines list": Command(("tenant", "license")),
    "glue machines remove": Command(("machine", "license", "tenant"), "machine"),
    "glue usage show": Command(("tenant", "since", "until")),
    "glue usage replay": Command(("tenant", "since", "until")),
    "glue inbox list": Command(("status", "since", "until")),
    "glue inbox replay": Command(("delivery",)),
    "glue drift show": Command(("tenant",)),
    "glue drift repair": Command(("tenant",)),
    "glue quote": Command(),
    "glue run": Command(),
    "glue runs list": Command(("status", "tenant", "since", "until")),
    "glue runs show": Command(("run",)),
    "glue runs cancel": Command(("run",), "run"),
    "glue runs resume": Command(("run",)),
    "glue runs export": Command(("run",)),
    "glue backup": Command(),
    "glue restore": Command(("file",), "file"),
    "glue seed": Command(),
    "glue simulate": Command(),
    "glue feedback list": Command(("tenant", "since", "until")),
    "glue tickets list": Command(("tenant",)),
    "glue tickets reply": Command(("ticket",)),
}

# Commands that only look; all others ask before they run.
READ_ONLY = frozenset(
    [
        "glue plan",
        "glue diff",
        "glue doctor",
        "glue tenants list",
        "glue tenants show",
        "glue licenses list",
        "glue licenses show",
        "glue machines list",
        "glue usage show",
        "glue inbox list",
        "glue drift show",
        "glue quote",
        "glue runs list",
        "glue runs show",
        "glue feedback list",
        "glue tickets list",
    ]
)

DESTRUCTIVE = frozenset(name for name, command in COMMANDS.items() if command.needs)
