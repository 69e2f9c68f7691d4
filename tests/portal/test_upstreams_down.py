"""With Keycloak, Lago or Keygen down every page still answers: with what is known, and since when, or a refusal in words."""

import pytest

READS = {
    "lago": ("/", "/plan", "/invoices", "/payment", "/usage", "/licenses"),
    "keygen": ("/", "/licenses", "/plan", "/team"),
    "keycloak": ("/", "/team", "/programs", "/plan", "/licenses", "/runs"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lago", "keygen", "keycloak"])
def test_pages_answer_while_an_upstream_hangs(name, alice, portal):
    for path in READS[name]:
        assert alice.open(path).status == 200
    portal.pause(name)
    try:
        seen = {path: alice.open(path) for path in READS[name]}
        assert {path: page.status for path, page in seen.items()} == dict.fromkeys(READS[name], 200)
        last = READS[name][1]
        assert "not answer" in seen[last].text or "not answered" in seen["/"].text
        status = alice.open("/status")
        assert status.status == 200 and "does not answer" in status.text
    finally:
        portal.go_on(name)
    assert portal.services.actions.wait_until_settled(alice.tenant, seconds=30)
