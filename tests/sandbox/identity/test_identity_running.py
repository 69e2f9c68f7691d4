"""The process: its realm file, what a restart keeps, the control port."""

import json

import httpx
from identity_driver import REALM_FILE, Provider, environment_of, running


def provider_of(ready, http, mailbox):
    return Provider(ready, http, mailbox)


def test_restart_on_the_same_state_keeps_people_keys_and_tokens(tmp_path, mailbox):
    with running("--state", str(tmp_path)) as ready, httpx.Client(trust_env=False) as http:
        provider = provider_of(ready, http, mailbox)
        user, _ = provider.person()
        keys = http.get(f"{provider.openid}/certs").json()
    port = ready["url"].rsplit(":", 1)[1]
    with running("--state", str(tmp_path), "--port", port) as again, httpx.Client(trust_env=False) as http:
        provider = provider_of(again, http, mailbox)
        assert again["admin_client_secret"] == ready["admin_client_secret"]
        assert http.get(f"{provider.openid}/certs").json() == keys
        assert provider.admin("GET", f"/users/{user}").status_code == 200


def test_reset_empties_the_realm_and_keeps_its_keys(mailbox):
    with running() as ready, httpx.Client(trust_env=False) as http:
        provider = provider_of(ready, http, mailbox)
        user, _ = provider.person()
        keys = http.get(f"{provider.openid}/certs").json()
        assert http.post(f"{ready['control_url']}/reset").json() == {"ok": True}
        assert provider.admin("GET", f"/users/{user}").status_code == 404
        assert http.get(f"{provider.openid}/certs").json() == keys


def test_built_in_realm_names_itself_and_its_admin(mailbox):
    with running("--now", "2030-01-02T03:04:05Z") as ready, httpx.Client(trust_env=False) as http:
        provider = provider_of(ready, http, mailbox)
        found = http.get(f"{ready['issuer']}/.well-known/openid-configuration").json()
        assert (ready["realm"], found["issuer"]) == ("glue", ready["issuer"])
        token = provider.machine_token(ready["admin_client_id"], ready["admin_client_secret"])["access_token"]
        assert provider.claims(token)["iat"] // 60 == 1893553445 // 60
        assert http.get(f"{ready['url']}/realms/absent").json() == {"error": "Realm does not exist"}


def test_realm_file_is_imported_with_its_people_groups_and_placeholders(tmp_path, mailbox):
    realm = {
        "realm": "small",
        "displayName": "${PRODUCT:Glue}",
        "enabled": True,
        "organizationsEnabled": True,
        "registrationEmailAsUsername": True,
        "accessTokenLifespan": 120,
        "roles": {"realm": [{"name": "operator"}], "client": {"robot": [{"name": "run"}]}},
        "components": {
            "org.keycloak.userprofile.UserProfileProvider": [
                {
                    "config": {
                        "kc.user.profile.config": [json.dumps({"attributes": [{"name": "team"}], "unmanagedAttributePolicy": "ENABLED"})]
                    }
                }
            ]
        },
        "clients": [{"clientId": "robot", "secret": "${ROBOT_SECRET}", "serviceAccountsEnabled": True}],
        "users": [
            {
                "username": "service-account-robot",
                "enabled": True,
                "serviceAccountClientId": "robot",
                "realmRoles": ["operator"],
                "clientRoles": {"robot": ["run"]},
            },
            {"username": "ann@acme.test", "email": "ann@acme.test", "enabled": True, "attributes": {"free": ["x"]}},
        ],
        "organizations": [
            {
                "name": "Acme",
                "alias": "acme",
                "groups": [{"name": "admin", "id": "g-1"}],
                "members": [{"username": "ann@acme.test", "groups": ["g-1"]}],
            }
        ],
    }
    (tmp_path / "realm.json").write_text(json.dumps(realm))
    environment = environment_of() | {"ROBOT_SECRET": "beep"}
    with running("--realm-file", str(tmp_path / "realm.json"), environment=environment) as ready, httpx.Client(trust_env=False) as http:
        provider = provider_of(ready, http, mailbox)
        assert provider.admin("GET", "").json()["displayName"] == "Glue"
        claims = provider.claims(provider.machine_token("robot", "beep")["access_token"])
        assert (claims["realm_access"], claims["resource_access"]) == ({"roles": ["operator"]}, {"robot": {"roles": ["run"]}})
        assert claims["exp"] - claims["iat"] == 120
        row = provider.admin("GET", "/organizations?q=alias:acme").json()[0]
        members = provider.admin("GET", f"/organizations/{row['id']}/groups/g-1/members").json()
        assert [(member["username"], member["attributes"], member["membershipType"]) for member in members] == [
            ("ann@acme.test", {"free": ["x"]}, "UNMANAGED")
        ]


def test_repository_realm_file_is_readable_as_it_is(provider):
    assert REALM_FILE.exists()
    assert provider.admin("GET", "").json()["displayName"] == json.loads(REALM_FILE.read_text())["displayName"]


def test_shared_clock_file_moves_every_token(tmp_path, mailbox):
    clock = tmp_path / "clock"
    with running("--clock", str(clock)) as ready, httpx.Client(trust_env=False) as http:
        provider = provider_of(ready, http, mailbox)
        before = provider.claims(provider.machine_token(ready["admin_client_id"], ready["admin_client_secret"])["access_token"])["iat"]
        clock.write_text("86400")
        after = provider.claims(provider.machine_token(ready["admin_client_id"], ready["admin_client_secret"])["access_token"])["iat"]
        assert 86300 < after - before < 86500
        assert http.get(f"{ready['control_url']}/clock").json()["offset_seconds"] == 86400
