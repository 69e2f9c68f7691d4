"""The command line: a module per noun that parses, calls, prints and exits. May import everything in glue but portal.

Exit codes of every command: 0 done (or nothing to do), 1 failed, 2 wrong use or changes waiting (``glue plan``),
3 refused by a rule, 4 an upstream could not be reached, 130 interrupted.
"""

import logging
import os
import sys
from importlib import import_module

import typer

# A noun's module is imported only when the noun is used: a command starts in the time of its own imports.
# A module offers `app` (a Typer with the noun's verbs) or `command` (a function: the noun is the whole command).
NOUNS = {
    "demo": "Play one customer's story end to end on this machine.",
    "up": "Start the whole stack on this machine and leave it running.",
    "init": "Write a complete set of settings with fresh secrets.",
    "serve": "Run the service: API, doors, portal and worker.",
    "doctor": "What is wrong with this installation, and how to mend it.",
    "tenants": "Customers: list, show, invite, change plan, suspend, cancel, export, erase.",
    "cohorts": "The beta: cohorts, invitation codes, waiting list, kill switches.",
    "seed": "Many made-up customers, beside sandboxes, to try how pages behave.",
    "licenses": "Licenses: list, show, revoke, reissue, offline file.",
    "machines": "Machines of a license: list, activate, remove.",
    "usage": "What customers used; send it to Lago again.",
    "drift": "Where the three systems differ, why, and what was done about it.",
    "inbox": "What came in; drain, replay, and what is unclear.",
    "tickets": "Support cases: list, show, reply, note, set a state, take mails in.",
    "feedback": "What customers say and rate.",
    "issues": "Tickets as issues at GitHub or Forgejo; plans of milestones and issues.",
    "backup": "Our state in one file, while the service runs.",
    "restore": "Our state from a backup.",
    "plan": "What applying the declared files would change.",
    "apply": "Make the systems say what the files declare.",
    "export": "Write files from running systems.",
    "simulate": "Let time pass and outages happen in a running stack's sandboxes.",
    "sandbox": "Run the Lago, Keygen or identity sandbox.",
    "keycloak": "Install, start and stop a real Keycloak on this machine.",
    "agents": "The agent registry, and what a request would need.",
    "quote": "What a piece of agent work would cost, and how it would be done.",
    "run": "Have agents do a piece of work under a binding price, or write a script for it.",
    "do": "Plain language to one command, shown before it runs.",
    "runs": "Agent runs: list, show, cancel, resume, export, checkpoints, deduplicate.",
}


def build(words: list[str]) -> typer.Typer:
    """The command tree for ``words``: all nouns with their help, the one asked for with its verbs."""
    root = typer.Typer(name="glue", no_args_is_help=True, help="Keeps Keycloak, Lago and Keygen telling one story about every tenant.")
    asked = next((word for word in words if not word.startswith("-")), None)
    everything = any("_COMPLETE" in name for name in os.environ)
    for noun, help_text in NOUNS.items():
        if noun != asked and not everything:
            root.command(noun, help=help_text)(_elsewhere)
            continue
        module = import_module(f"glue.cli.{noun.replace('-', '_')}")
        if hasattr(module, "app"):
            root.add_typer(module.app, name=noun, help=help_text)
        else:
            root.command(noun, help=help_text)(module.command)
    return root


def _elsewhere() -> None:
    """Stands for a noun in the overview; the noun itself is built when it is asked for."""


def main() -> None:
    """Entry point of ``glue``."""
    from glue.logs import configure

    configure("console", level=logging.WARNING)
    build(sys.argv[1:])()
