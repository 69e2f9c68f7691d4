"""Keycloak's half of tokens: a key that signs, and a word on every token that can be changed."""

import secrets
import time

from joserfc import jwt
from joserfc.jwk import RSAKey

from glue.errors import UpstreamUnavailable

ISSUER, AUDIENCE = "https://login.test/realms/glue", "glue-api"


class Identity:
    def __init__(self, kid="key-1"):
        self.asked = 0
        self.keys_read = 0
        self.down = False
        self.revoked = set()
        self.claims = {}
        self.rotate(kid)

    def rotate(self, kid):
        self._key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})

    def token(self, subject="user-alice", organizations=("t0000000000alce",), *, key=None, header=None, **changes):
        claims = {
            "iss": ISSUER,
            "aud": ["account", AUDIENCE],
            "typ": "Bearer",
            "sub": subject,
            "jti": secrets.token_hex(8),
            "preferred_username": subject,
            "exp": int(time.time()) + 300,
            "organization": {alias: {"id": f"id-{alias}"} for alias in organizations},
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        signer = key or self._key
        token = jwt.encode({"alg": "RS256", "kid": self._key.kid} | (header or {}), claims, signer, algorithms=["RS256", "HS256"])
        self.claims[token] = claims
        return token

    def jwks(self):
        self.keys_read += 1
        if self.down:
            raise UpstreamUnavailable("keycloak does not answer", upstream="keycloak", operation="jwks")
        return {"keys": [self._key.as_dict(private=False)]}

    def introspect(self, token):
        self.asked += 1
        if self.down:
            raise UpstreamUnavailable("keycloak does not answer", upstream="keycloak", operation="introspect")
        return None if token in self.revoked else self.claims.get(token)
