"""An issuer of JSON Web Tokens with keys of its own, which it also tells over HTTP."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

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


class KeyServer:
    """Tells an issuer's keys at `/keys`, and counts how often it is asked."""

    def __init__(self, issuer: Issuer) -> None:
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                found = self.path == "/keys"
                body = issuer.jwks.encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
