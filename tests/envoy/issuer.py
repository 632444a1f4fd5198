"""An issuer of JSON Web Tokens with keys of its own, which it also tells over HTTP."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from http_server import Handler, HttpServer

# Name of a key → the algorithm of its signatures.
ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}

READERS: dict[str, Any] = {"rsa": RSAAlgorithm, "ec": ECAlgorithm, "ed": OKPAlgorithm}


class Issuer:
    """Tokens are for `audience` and good for ten minutes unless a test says otherwise."""

    def __init__(self, name: str, audience: str = "gateway") -> None:
        self.name = name
        self.audience = audience
        self._keys: dict[str, Any] = {
            "rsa": rsa.generate_private_key(65537, 2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }

    @property
    def jwks(self) -> str:
        """The public keys, as a key set."""
        keys = [
            json.loads(READERS[name].to_jwk(key.public_key())) | {"kid": name}
            for name, key in self._keys.items()
        ]
        return json.dumps({"keys": keys})

    def token(self, key: str = "rsa", expires: float = 600, **claims: Any) -> str:
        """A token; a claim that is None is left out."""
        usual = {"iss": self.name, "aud": self.audience, "sub": "ann", "exp": int(time.time() + expires)}
        claims = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(claims, self._keys[key], algorithm=ALGORITHMS[key], headers={"kid": key})

    def provider(self, **remote: Any) -> dict[str, Any]:
        """The issuer in a policy, with its keys written there or at `remote`."""
        jwks = {"remote": remote} if remote else {"inline": self.jwks}
        return {"issuer": self.name, "audiences": [self.audience], "jwks": jwks}


class KeyServer(HttpServer):
    """Tells an issuer's keys at `/keys`, and counts how often it is asked."""

    def __init__(self, issuer: Issuer) -> None:
        self.asked = 0
        server = self

        class Keys(Handler):
            def do_GET(self) -> None:
                server.asked += 1
                found = self.path == "/keys"
                self.answer(issuer.jwks.encode() if found else b"", 200 if found else 404)

        super().__init__(Keys)
