"""T-16: Weir keeps no answers. What was asked before is asked again, whole and streamed, and nobody reads an
answer to somebody else's key."""

from __future__ import annotations

import pytest

import answers
import dialects
from dialects import Client
from provider import Connection, Provider, Request, reply, stream

# Without a configured key the client's own reaches the provider, which can tell the clients apart. Vertex AI
# and Bedrock take no key of a client.
UPSTREAMS = ("openai", "anthropic", "gemini")
KEYED = [(client, upstream) for client, upstream in dialects.PAIRS if upstream in UPSTREAMS]

# Where a provider may find the key.
KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")


async def count(connection: Connection, request: Request) -> None:
    """Answers with the key that asks, and how often this provider has been asked by now."""
    key = next(value for name in KEY_HEADERS if (value := request.header(name))).removeprefix("Bearer ")
    text = f"{key} {len(connection._provider.requests)}"
    if request.streamed:
        await stream(answers.text_stream(request.dialect, (text,)))(connection, request)
    else:
        await reply(answers.text(request.dialect, text))(connection, request)


@pytest.mark.parametrize(("dialect", "upstream"), KEYED, ids=dialects.ids(KEYED))
def test_t16_what_was_asked_before_is_asked_again(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    keys = ("key-of-one", "key-of-another", "key-of-one")
    asked = [(key, streamed) for streamed in (False, True, False, True) for key in keys]
    provider.then(*[count] * len(asked))
    for number, (key, streamed) in enumerate(asked, 1):
        response = client.http.post(
            client.url(dialect, f"open-{upstream}", stream=streamed),
            json=dialects.request(dialect, stream=streamed),
            headers=dialects.headers(dialect, key),
        )
        assert dialects.read(dialect, response).text == f"{key} {number}"
    assert len(provider.requests) == len(asked)
