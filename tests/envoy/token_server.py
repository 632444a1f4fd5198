"""A stand-in for the token servers of Google and Entra."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from http_server import Handler, HttpServer


class TokenServer(HttpServer):
    """Gives every grant a token named after its path, and keeps what it was asked for: path and form."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Tokens(Handler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.body().decode()))
                server.asked.append((self.path, form))
                token = "token-of-" + self.path.strip("/").split("/")[0]
                body = json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
                self.answer(body.encode())

        super().__init__(Tokens)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def service_account(token_uri: str) -> str:
    """The key file of a service account, new each time."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fields = {
        "type": "service_account",
        "client_email": "weir@acme.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem,
        "token_uri": token_uri,
    }
    return json.dumps(fields)
