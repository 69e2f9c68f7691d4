"""The realm file itself: its placeholders, its clients, and that a server reads it back as it is written."""

import json
import re
from pathlib import Path

import httpx
import pytest

from glue.errors import ConfigInvalid
from glue.ops.keycloak_prepared import Imported, completed, for_this_start
from glue.ops.keycloak_realm import expand, read_realm
from glue.settings import known_names

FOLDER = Path(__file__).parents[2] / "keycloak-realm"
LANGUAGES = ["en", "de", "es", "fr", "pt-BR"]
REALM = read_realm(FOLDER)
BUILT_IN = {"basic", "acr", "roles", "web-origins", "profile", "email", "service_account"}


def clients() -> dict:
    return {client["clientId"]: client for client in REALM.content["clients"]}


def test_secrets_and_addresses_are_placeholders_only():
    assert all(client["secret"].startswith("${GLUE_KEYCLOAK__") for client in clients().values() if "secret" in client)
    assert not re.search(r"https?://", REALM.text)


def test_placeholders_are_settings_of_glue():
    own = {"GLUE_KEYCLOAK_MAIL_FROM", "GLUE_KEYCLOAK_MAIL_AUTH"}
    assert set(REALM.names()) - own <= set(known_names())


def test_no_client_takes_a_password_or_the_implicit_flow():
    for client in clients().values():
        assert not client.get("directAccessGrantsEnabled")
        assert not client.get("implicitFlowEnabled")
        assert client.get("bearerOnly") or client["fullScopeAllowed"] is False


def test_every_login_can_name_its_organizations_and_reaches_the_api():
    for name in ("glue-portal", "glue-cli", "glue-service"):
        assert "organization" in clients()[name]["optionalClientScopes"]
        assert {"basic", "roles", "glue-api"} <= set(clients()[name]["defaultClientScopes"])


def test_built_in_scopes_are_all_carried():
    assert {scope["name"] for scope in REALM.content["clientScopes"]} == BUILT_IN | {"organization", "glue-api"}


def test_service_accounts_have_their_rights_within_their_scope():
    rights = {user["serviceAccountClientId"]: user["clientRoles"]["realm-management"] for user in REALM.content["users"]}
    assert {"manage-realm", "manage-clients"}.isdisjoint(rights["glue-service"])
    assert {"manage-users", "manage-organizations"}.isdisjoint(rights["glue-apply"])
    assert {entry["client"]: entry["roles"] for entry in REALM.content["clientScopeMappings"]["realm-management"]} == rights


@pytest.mark.parametrize("kind", ["login", "email"])
def test_theme_says_the_same_things_in_five_languages(kind):
    assert REALM.content["supportedLocales"] == LANGUAGES
    texts = {}
    for language in LANGUAGES:
        file = FOLDER / "themes/glue" / kind / "messages" / f"messages_{language.replace('-', '_')}.properties"
        lines = [line.partition("=") for line in file.read_text(encoding="utf-8").splitlines() if line]
        texts[language] = {key: text for key, _, text in lines}
        assert all(text and not re.search(r"(?<!')'(?!')", text) for text in texts[language].values()), "MessageFormat wants '' for '"
    ours = {language: {key for key in keys if key.startswith("glue")} for language, keys in texts.items()}
    assert all(ours[language] == ours["en"] for language in LANGUAGES)
    fields = {key: sorted(re.findall(r"\{\d\}", text)) for key, text in texts["en"].items() if key.startswith("glue")}
    assert all(sorted(re.findall(r"\{\d\}", texts[language][key])) == found for language in LANGUAGES for key, found in fields.items())


def test_missing_values_are_completed_locally_and_secrets_are_new_each_time():
    first, second = completed(REALM, {}), completed(REALM, {})
    assert first["GLUE_PUBLIC_URL"] == "http://localhost:8300"
    assert first["GLUE_MAIL__STARTTLS"] == "false"
    assert first["GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET"] != second["GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET"]


def test_mail_server_that_was_given_keeps_the_files_own_transport_security():
    values = completed(REALM, {"GLUE_MAIL__HOST": "smtp.example.test"})
    assert expand(REALM.content["smtpServer"], values)["starttls"] == "true"
    assert expand(REALM.content["smtpServer"], values)["port"] == "587"


def test_only_what_differs_is_changed():
    before = completed(REALM, {})
    after = before | {"GLUE_PUBLIC_URL": "https://portal.example.test", "GLUE_MAIL__PORT": "2525"}
    changes = REALM.changes(before, after)
    assert not REALM.changes(before, before)
    assert changes.realm == {"smtpServer": expand(REALM.content["smtpServer"], after)}
    assert list(changes.clients) == ["glue-portal"]
    assert changes.clients["glue-portal"]["redirectUris"] == ["https://portal.example.test/auth/callback"]
    assert changes.clients["glue-portal"]["secret"] == before["GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET"]


def test_prepared_database_is_named_by_the_file_and_by_what_cannot_be_changed_later(tmp_path):
    content = {
        "realm": "x",
        "clients": [{"clientId": "a", "secret": "${GLUE_A}"}],
        "identityProviders": [{"config": {"secret": "${GLUE_B}"}}],
    }
    (tmp_path / "x-realm.json").write_text(json.dumps(content))
    realm = read_realm(tmp_path)
    assert realm.digest({"GLUE_A": "1", "GLUE_B": "1"}) == realm.digest({"GLUE_A": "2", "GLUE_B": "1"})
    assert realm.digest({"GLUE_A": "1", "GLUE_B": "1"}) != realm.digest({"GLUE_A": "1", "GLUE_B": "2"})
    with pytest.raises(ConfigInvalid, match="GLUE_A, GLUE_B"):
        completed(realm, {})


def test_copied_database_keeps_secrets_and_not_the_addresses_of_whoever_prepared_it():
    theirs = Imported(completed(REALM, {"GLUE_PUBLIC_URL": "http://localhost:1", "GLUE_MAIL__HOST": "smtp.example.test"}), "admin")
    copied = for_this_start(REALM, theirs, {"GLUE_KEYCLOAK__API_CLIENT_SECRET": "given"}, copied=True)
    assert copied.values["GLUE_PUBLIC_URL"] == "http://localhost:8300"
    assert copied.values["GLUE_MAIL__HOST"] == "127.0.0.1"
    assert copied.values["GLUE_KEYCLOAK__API_CLIENT_SECRET"] == "given"
    assert copied.values["GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET"] == theirs.values["GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET"]
    assert for_this_start(REALM, theirs, {}, copied=False) == theirs, "a home of one's own goes on as it was"


@pytest.mark.parametrize("text", ["{", "[]", '{"realm": 1}'])
def test_unusable_file_is_named(tmp_path, text):
    (tmp_path / "x-realm.json").write_text(text)
    with pytest.raises(ConfigInvalid, match="x-realm.json"):
        read_realm(tmp_path)


def test_folder_without_realm_is_named(tmp_path):
    with pytest.raises(ConfigInvalid, match="0 files"):
        read_realm(tmp_path)


@pytest.mark.keycloak
def test_running_realm_reads_back_as_the_file_says(keycloak):
    form = {"grant_type": "client_credentials", "client_id": keycloak.apply_client_id, "client_secret": keycloak.apply_client_secret}
    token = httpx.post(f"{keycloak.issuer}/protocol/openid-connect/token", data=form).raise_for_status().json()["access_token"]
    with httpx.Client(base_url=f"{keycloak.url}/admin/realms/glue", headers={"Authorization": f"Bearer {token}"}) as client:
        found = client.get("").raise_for_status().json()
        apart = {"roles", "clients", "users", "scopeMappings", "clientScopeMappings", "clientScopes", "smtpServer", "attributes"}
        apart |= {"defaultDefaultClientScopes", "defaultOptionalClientScopes"}
        declared = {key: value for key, value in REALM.content.items() if key not in apart}
        assert {key: sorted(found[key]) if isinstance(found[key], list) else found[key] for key in declared} == {
            key: sorted(value) if isinstance(value, list) else value for key, value in declared.items()
        }
        assert found["attributes"]["adminEventsExpiration"] == REALM.content["attributes"]["adminEventsExpiration"]
        scopes = {scope["name"]: scope for scope in client.get("/client-scopes").raise_for_status().json()}
        for scope in REALM.content["clientScopes"]:
            mappers = {mapper["name"]: mapper["config"] for mapper in scopes[scope["name"]].get("protocolMappers", [])}
            assert mappers.keys() == {mapper["name"] for mapper in scope["protocolMappers"]}
            assert all(mappers[mapper["name"]].items() >= mapper["config"].items() for mapper in scope["protocolMappers"])
