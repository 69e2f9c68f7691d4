"""Every write to the three systems is a level, an effect, a declared file, or a fact of usage. Nothing else calls a writing verb."""

import ast
from functools import cache
from pathlib import Path

GLUE = Path(__file__).parents[2] / "glue"
PORTAL = GLUE.parent / "portal"

WRITING = {
    # Keycloak
    "create_organization", "update_organization", "add_member", "set_roles", "remove_member", "resend_invitation", "delete_invitation",
    "logout_user", "set_user_enabled", "delete_user", "create_program", "rotate_program_secret", "set_program_enabled", "update_realm",
    "create_client", "update_client", "create_client_scope", "update_client_scope", "create_realm_role",
    # Lago
    "upsert_customer", "create_subscription", "set_subscription_end", "terminate_subscription", "override_entitlements",
    "mark_invoice_paid", "create_one_off_invoice", "create_wallet", "top_up_wallet", "apply_coupon", "send_events", "create_object",
    "update_object", "set_plan_entitlements",
    # Keygen
    "create_license", "update_license", "change_policy", "revoke_license", "attach_entitlements", "detach_entitlements",
    "activate_machine", "deactivate_machine", "create_policy", "update_policy", "create_product", "update_product",
    "create_entitlement", "update_entitlement", "attach_policy_entitlements", "detach_policy_entitlements",
    # both, and mail
    "ensure_webhook_endpoint", "retry_webhook_event",
}  # fmt: skip
ON_AN_UPSTREAM = {"invite", "send"}  # words too common to be told by themselves

UPSTREAMS = {"keycloak", "lago", "keygen", "mail"}
OURS = {"actions", "team", "programs", "machines", "self"}

WRITERS = {
    "converge/act.py": "levels",
    "converge/kinds.py": "effects",
    "catalog/systems.py": "declared files, from a plan that a person read",
    "meter/flush.py": "facts of usage",
    "wiring.py": "our own webhook endpoints",
}
OUTSIDERS = ("cli/story/",)  # the story plays people at work in the systems' own consoles: that is what has to be found and mended


def _calls(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            # Our own effects and actions have the same names; theirs are reached as `keycloak.…`, `lago.…`, `keygen.…`, `mail.…`.
            verbs = WRITING | ON_AN_UPSTREAM if owner.lstrip("_") in UPSTREAMS else set() if owner in OURS else WRITING
            if node.attr in verbs:
                yield node.attr, node.lineno


def _is_apart(file: Path) -> bool:
    """The adapters themselves, and what shares no code with us."""
    return file.relative_to(GLUE.parent).parts[:2] in {
        ("glue", "upstream"),
        ("glue", "sandbox"),
        ("glue", "client"),
        ("glue", "migrations"),
    }


@cache
def _writes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for root in (GLUE, PORTAL):
        for file in sorted(root.rglob("*.py")):
            if not _is_apart(file):
                name = file.relative_to(GLUE if root == GLUE else GLUE.parent).as_posix()
                calls = [f"{verb} (line {line})" for verb, line in _calls(file)]
                if calls:
                    found[name] = calls
    return found


def test_nothing_else_calls_a_writing_verb():
    strangers = {name: calls for name, calls in _writes().items() if name not in WRITERS and not name.startswith(OUTSIDERS)}
    assert strangers == {}


def test_every_writer_still_writes():
    assert {name for name in WRITERS if name not in _writes()} == set()


def test_verbs_are_those_of_the_adapters():
    adapters = "\n".join(file.read_text() for file in (GLUE / "upstream").rglob("*.py"))
    assert {verb for verb in WRITING if f"def {verb}(" not in adapters} == set()
