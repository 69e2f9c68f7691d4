"""How this installation runs: environment variables ``GLUE_…`` (nested with ``__``), or files named by ``GLUE_…_FILE``.

Secrets and addresses have no default: a missing one stops the process by name. The reference is docs/reference/settings.md.
"""

import base64
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from glue.errors import ConfigInvalid

WEAK = {"secret", "password", "changeme", "change-me", "admin", "test", "glue", "default"}


def _refuse_weak(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < 8 or text.lower() in WEAK:
        raise ValueError("a secret needs at least eight characters and must not be a well-known one; `glue init` makes good ones")
    return value


Secret = Annotated[SecretStr, AfterValidator(_refuse_weak)]


def _refuse_other_lengths(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) != 32:
        raise ValueError("the key is 32 bytes in URL-safe base64; `glue init` makes one")
    return value


InstallerKey = Annotated[Secret, AfterValidator(_refuse_other_lengths)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeycloakSettings(_Part):
    url: str = Field(description="Address of Keycloak as this service reaches it, without a trailing slash.")
    realm: str = Field("glue", description="The one realm all tenants share.")
    issuer: str = Field("", description="Issuer in tokens, when people reach Keycloak by another address; default url/realms/realm.")
    service_client_id: str = Field("glue-service", description="Client that reads and changes organizations and members.")
    service_client_secret: Secret = Field(description="Secret of the service client.")
    portal_client_id: str = Field("glue-portal", description="Client of the portal's login.")
    portal_client_secret: Secret = Field(description="Secret of the portal client.")
    api_client_id: str = Field("glue-api", description="Audience of access tokens; introspects them.")
    api_client_secret: Secret = Field(description="Secret of the API client.")
    apply_client_id: str = Field("glue-apply", description="Client that `glue apply` uses to change the realm.")
    apply_client_secret: Secret | None = Field(None, description="Secret of the apply client; needed by `glue plan` and `glue apply` only.")
    timeout_seconds: float = Field(10, description="Longest wait for one answer.")

    @property
    def issuer_url(self) -> str:
        return self.issuer or f"{self.url}/realms/{self.realm}"


class LagoSettings(_Part):
    url: str = Field(description="Address of Lago's API without /api/v1.")
    api_key: Secret = Field(description="API key of the organization.")
    webhook_hmac_keys: list[Secret] = Field(description="HMAC keys of webhooks, newest first (JSON list), so that they can be rotated.")
    payment_provider: str = Field(
        "", description="Kind of the linked payment provider, for example stripe; empty: customers pay by invoice."
    )
    payment_provider_code: str = Field("", description="Code of the provider as Lago knows it.")
    timeout_seconds: float = Field(10, description="Longest wait for one answer.")


class KeygenSettings(_Part):
    url: str = Field(description="Address of Keygen as this service reaches it, without /v1.")
    host: str = Field(description="Host header that Keygen answers to.")
    account_id: str = Field(description="Id of the single account.")
    admin_email: str = Field("", description="Admin's address, when no token is given: a token is made at the start.")
    admin_password: Secret | None = Field(None, description="Admin's password, when no token is given.")
    admin_token: Secret | None = Field(None, description="An admin token; preferred over address and password.")
    product_code: str = Field("coditect", description="Product whose licenses we keep.")
    timeout_seconds: float = Field(10, description="Longest wait for one answer.")


class MailSettings(_Part):
    host: str = Field(description="SMTP server.")
    port: int = Field(587, description="SMTP port.")
    sender: str = Field("Coditect <hello@example.test>", description="From line of our mails.")
    username: str = Field("", description="SMTP user; empty: no login.")
    password: SecretStr | None = Field(None, description="SMTP password.")
    starttls: bool = Field(True, description="Insist on STARTTLS.")
    inbound_secret: Secret | None = Field(
        None, description="Bearer token with which the mail server hands mails to /webhooks/mail; empty: the door is closed."
    )


class IssueSettings(_Part):
    """Where tickets become issues. Without a repository they do not."""

    kind: Literal["github", "forgejo"] = Field("forgejo", description="Whose API it is: github or forgejo.")
    url: str = Field("", description="Address of the API: https://api.github.com, or https://HOST/api/v1 for Forgejo.")
    repository: str = Field("", description="OWNER/NAME of the repository; empty: no issues.")
    token: Secret | None = Field(None, description="Token that may read and write its issues, labels and milestones.")
    webhook_secrets: Annotated[
        list[Secret], Field(description="Secrets of the webhook that calls /webhooks/issues, newest first (JSON list).")
    ] = []  # pydantic copies it
    timeout_seconds: float = Field(10, description="Longest wait for one answer.")


class ModelSettings(_Part):
    """A provider without a key is not asked: templates do its agents' work."""

    anthropic_api_key: SecretStr | None = Field(None, description="Key for Claude.")
    anthropic_url: str = Field("", description="Another address of Anthropic's API.")
    openai_api_key: SecretStr | None = Field(None, description="Key for GPT.")
    openai_url: str = Field("", description="Another address of OpenAI's API, with /v1.")
    google_api_key: SecretStr | None = Field(None, description="Key for Gemini.")
    google_url: str = Field("", description="Another address of Google's API.")
    custom_url: str = Field(
        "", description="Address, with /v1, of any service that speaks OpenAI's protocol; for agents whose model is custom:NAME."
    )
    custom_api_key: SecretStr | None = Field(None, description="Key for the custom service, if it wants one.")
    second_opinion: str = Field(
        "", description="Model, as PROVIDER:NAME, that is asked what an unclear request means, for at most one credit; nobody if empty."
    )
    timeout_seconds: float = Field(300, description="Longest wait for one answer of a model.")


class WebhookSettings(_Part):
    lago_url: Annotated[str, Field(description="Address at which Lago reaches /webhooks/lago; registered at the start when set.")] = ""
    keygen_url: Annotated[
        str, Field(description="Address (https, by name) at which Keygen reaches /webhooks/keygen; registered at the start when set.")
    ] = ""


class Settings(BaseSettings):
    """All settings, frozen. Build with ``load``."""

    model_config = SettingsConfigDict(env_prefix="GLUE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    public_url: str = Field(description="Address at which people reach the portal, without a trailing slash.")
    secret_keys: list[Secret] = Field(description="Keys that sign our own links and nonces, newest first (JSON list).")
    installer_key: InstallerKey | None = Field(
        None, description="Signs what /install.sh installs: 32 random bytes in URL-safe base64; empty: no installer is served."
    )
    database_url: str = Field("sqlite:///data/glue.db", description="sqlite:///file or postgresql://….")
    config_dir: Path = Field(Path(), description="Folder that holds config/, lago/ and keycloak-realm/.")
    data_dir: Path = Field(Path("data"), description="Folder that keeps the files agents make.")
    clock_file: Path | None = Field(None, description="Beside sandboxes: file with the offset of business time in seconds.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8300, description="Port to listen on.")
    registration: Literal["open", "invited"] = Field(
        "open", description="Who may register: open to everybody, or invited: by a code or a cohort's share; others wait in a list."
    )
    log_format: str = Field("json", description="json or console.")
    metrics_token: SecretStr | None = Field(None, description="Bearer token that /metrics asks for; empty: loopback callers only.")
    product_name: str = Field("Coditect", description="Name of the product in pages and mails.")
    support_address: str = Field("support@example.test", description="Address that people may write to.")
    keycloak: KeycloakSettings
    lago: LagoSettings
    keygen: KeygenSettings
    mail: MailSettings
    webhooks: WebhookSettings = WebhookSettings()
    issues: IssueSettings = Field(default_factory=IssueSettings)  # type: ignore[arg-type]  # defaults by Field
    models: ModelSettings = Field(default_factory=ModelSettings)  # type: ignore[arg-type]  # defaults by Field


def load(environ: dict[str, str] | None = None) -> Settings:
    """Read the settings from the environment. Raises ConfigInvalid naming every missing or unusable one."""
    given = dict(os.environ if environ is None else environ)
    values = _tree(given)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = {
            "__".join(["GLUE", *(str(part).upper() for part in item["loc"])]).replace("GLUE__", "GLUE_", 1): item["msg"]
            for item in error.errors()
        }
        raise ConfigInvalid(
            "Settings are missing or cannot be used: " + "; ".join(f"{name}: {problem}" for name, problem in problems.items()),
            remedy="Set them in the environment, or name a file by the same name with _FILE. `glue init` writes a complete set.",
            problems=problems,
        ) from error


# Read by the realm file and by `glue keycloak`, not by the service.
ALSO_READ = frozenset({"GLUE_KEYCLOAK_MAIL_FROM", "GLUE_KEYCLOAK_MAIL_AUTH", "GLUE_MAVEN_REPOSITORY"})


def known_names() -> dict[str, str]:
    """Every variable that is read, with its description."""
    names: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, _Part):
            names |= {f"GLUE_{name}__{inner}".upper(): str(part.model_fields[inner].description) for inner in part.model_fields}
        else:
            names[f"GLUE_{name}".upper()] = str(field.description)
    return names


def unknown_names(environ: dict[str, str]) -> list[str]:
    """Variables that begin with GLUE_ and are not read: most likely misspelt."""
    known = known_names()
    return sorted(
        name for name in environ if name.startswith("GLUE_") and not {name, name.removesuffix("_FILE")} & (known.keys() | ALSO_READ)
    )


def _tree(environ: dict[str, str]) -> dict[str, Any]:
    import json

    values: dict[str, Any] = {}
    for name in known_names():
        text = environ.get(name)
        if f"{name}_FILE" in environ:
            try:
                text = Path(environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigInvalid(f"{name}_FILE cannot be read: {error}", remedy="Mount the secret or correct the path.") from error
        if text is None or text == "":
            continue
        place = values
        *outer, last = name.removeprefix("GLUE_").lower().split("__")
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = json.loads(text) if text.startswith("[") else text
    return {"keycloak": {}, "lago": {}, "keygen": {}, "mail": {}} | values
