import json

import pytest

from glue.errors import ConfigInvalid
from glue.settings import known_names, load, unknown_names

GOOD = {
    "GLUE_PUBLIC_URL": "https://portal.test",
    "GLUE_SECRET_KEYS": json.dumps(["k" * 43]),
    "GLUE_KEYCLOAK__URL": "https://login.test",
    "GLUE_KEYCLOAK__SERVICE_CLIENT_SECRET": "s-e-r-v-i-c-e",
    "GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET": "p-o-r-t-a-l",
    "GLUE_KEYCLOAK__API_CLIENT_SECRET": "a-p-i-a-p-i",
    "GLUE_LAGO__URL": "https://lago.test",
    "GLUE_LAGO__API_KEY": "lago-key-1",
    "GLUE_LAGO__WEBHOOK_HMAC_KEYS": json.dumps(["hmac-key-1"]),
    "GLUE_KEYGEN__URL": "https://keygen.test",
    "GLUE_KEYGEN__HOST": "keygen.test",
    "GLUE_KEYGEN__ACCOUNT_ID": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "GLUE_MAIL__HOST": "smtp.test",
}
REQUIRED = sorted(GOOD)


def test_complete_settings_load():
    settings = load(GOOD)
    assert settings.keycloak.issuer_url == "https://login.test/realms/glue"
    assert settings.lago.webhook_hmac_keys[0].get_secret_value() == "hmac-key-1"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_stops_the_process_by_name(name):
    with pytest.raises(ConfigInvalid) as caught:
        load({key: value for key, value in GOOD.items() if key != name})
    assert name in caught.value.fields["problems"]
    assert name in caught.value.detail


@pytest.mark.parametrize("weak", ["secret", "changeme", "password", "short", "Password"])
def test_a_well_known_secret_is_refused_and_not_repeated(weak):
    with pytest.raises(ConfigInvalid) as caught:
        load(GOOD | {"GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET": weak})
    assert "GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET" in caught.value.fields["problems"]


def test_a_secret_is_read_from_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    settings = load({k: v for k, v in GOOD.items() if k != "GLUE_LAGO__API_KEY"} | {"GLUE_LAGO__API_KEY_FILE": str(file)})
    assert settings.lago.api_key.get_secret_value() == "from-a-file"


def test_an_unreadable_secret_file_stops_the_process(tmp_path):
    with pytest.raises(ConfigInvalid, match="GLUE_LAGO__API_KEY_FILE"):
        load(GOOD | {"GLUE_LAGO__API_KEY_FILE": str(tmp_path / "nowhere")})


def test_secrets_do_not_show_in_the_settings_text():
    text = repr(load(GOOD))
    assert "s-e-r-v-i-c-e" not in text
    assert "lago-key-1" not in text


def test_misspelt_variables_are_named():
    assert unknown_names(GOOD | {"GLUE_LAGO__API_KYE": "x", "GLUE_CLOCK_FILE": "y", "GLUE_LAGO__API_KEY_FILE": "z", "PATH": "/bin"}) == [
        "GLUE_LAGO__API_KYE"
    ]


def test_every_setting_is_described():
    assert all(text and text != "None" for text in known_names().values())
