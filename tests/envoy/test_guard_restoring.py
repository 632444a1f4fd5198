"""Values that leave as placeholders and come back: through calls, turns, several guards, other providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import answers
import dialects
import event_stream
import manifests as m
from conftest import providers, stored_keys
from dialects import PAIRS, Client, ids
from provider import Provider, Script, reply, stream, usual
from test_guarded_reasoning import FIELD, STREAMED, WHOLE, result
from weir import Gateway

ADDRESS = "ann@example.com"
OTHER = "bob@example.com"
# A value that has to be written with escapes in JSON, and is more than one byte per character.
ODD = '#a "b" \\c\\\n\té🙂\u2028</x>#'

REVERSIBLE = [
    {"name": "email", "regex": {"builtins": ["Email"], "reversible": True}},
    {"name": "odd", "regex": {"matches": ["#[^#]{1,100}#"], "reversible": True}},
    {"name": "word", "keywords": {"words": ["Rumpelstilzchen"], "reversible": True}},
]
GUARDS: dict[str, dict[str, Any]] = {
    "": {"request": REVERSIBLE, "response": [{"name": "ssn", "regex": {"builtins": ["Ssn"]}}]},
    # Holds streams until they are complete.
    "held-": {"request": REVERSIBLE, "response": [{"name": "long", "length": {"words": {"max": 10_000}}}]},
}


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A backend of each provider, and one that fails over from a guarded provider to one guarded otherwise."""
    gateway = Gateway(tmp_path_factory.mktemp(f"restoring-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    backends = [
        m.backend(prefix + name, entry, key=key, ai={"promptGuard": rules})
        for prefix, rules in GUARDS.items()
        for name, entry, key in providers(scripted.port)
    ]

    def member(entry: dict[str, Any], key: str, rules: dict[str, Any] | None) -> dict[str, Any]:
        entry = m.with_key(entry, key)
        return entry | {"policies": entry["policies"] | {"ai": {"promptGuard": rules}}} if rules else entry

    first = member(m.provider("openai", scripted.port), "openai", GUARDS[""])
    other = {"request": [{"name": "plain", "regex": {"builtins": ["Email"]}}]}
    second = member(m.provider("anthropic", scripted.port), "anthropic", other)
    third = member(m.provider("anthropic", scripted.port), "anthropic", None)
    backends += [m.groups("to-other", [first], [second]), m.groups("to-none", [first], [third])]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("routes.yaml", m.dump(*m.routes(names)))
    gateway.start()
    yield gateway
    gateway.stop()


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
every_pair = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=ids(PAIRS))


SAID = f"Write to {ADDRESS}, {ODD} and {OTHER}, Rumpelstilzchen."
MASKED = "Write to <EMAIL_ADDRESS_1>, <masked_1> and <EMAIL_ADDRESS_2>, <masked_2>."
# What the model calls a tool with, and what the client is to get.
ARGUMENTS = {
    "to": "<EMAIL_ADDRESS_1>",
    "<masked_1>": ["x<masked_1>y", {"<EMAIL_ADDRESS_2>": "<EMAIL_ADDRESS_3>"}],
    "n": 17,
    "quoted": '"<EMAIL_ADDRESS_2>" \\ <email_address_1> < EMAIL_ADDRESS_1> <<masked_1>>',
    "word": "<masked_2>",
}
RESTORED = {
    "to": ADDRESS,
    ODD: [f"x{ODD}y", {OTHER: "<EMAIL_ADDRESS_3>"}],
    "n": 17,
    "quoted": f'"{OTHER}" \\ <email_address_1> < EMAIL_ADDRESS_1> <{ODD}>',
    "word": "Rumpelstilzchen",
}
# As other writers of JSON put it.
ESCAPED = json.dumps(ARGUMENTS).replace("<", "\\u003c").replace(">", "\\u003E")


def calling(upstream: str, streamed: bool) -> Script:
    """A call of a tool, in pieces of seven bytes."""
    if not streamed:
        return reply(answers.tools(upstream, ("call_1", "mail", ARGUMENTS)))
    pieces = [ESCAPED[at : at + 7] for at in range(0, len(ESCAPED), 7)]
    return stream(answers.tool_stream(upstream, ("call_1", "mail", pieces)))


def saying(upstream: str, streamed: bool, *pieces: str) -> Script:
    """An answer of text, streamed in pieces."""
    if streamed:
        return stream(answers.text_stream(upstream, pieces))
    return reply(answers.text(upstream, "".join(pieces)))


def arguments(calls: list[tuple[str, str, Any]]) -> Any:
    [(_, name, said)] = calls
    assert name == "mail"
    return json.loads(said)


@both
@every_pair
@pytest.mark.parametrize("prefix", GUARDS, ids=["window", "held"])
def test_arguments_of_calls(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool, prefix: str
) -> None:
    provider.then(calling(upstream, streamed))
    body = dialects.request(dialect, content=SAID, stream=streamed) | dialects.tools(dialect, "mail")
    backend = prefix + dialects.backend(dialect, upstream)
    response = client.http.post(
        f"{client.gateway.base}/{backend}{dialects.path(dialect, stream=streamed)}",
        json=body,
        headers=dialects.headers(dialect),
    )
    sent = provider.last.body.decode()
    assert json.dumps(MASKED)[1:-1] in sent
    assert arguments(dialects.read(dialect, response).calls) == RESTORED


@both
@every_pair
def test_what_came_back_leaves_as_the_same_placeholder(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    """Also in arguments, which guards of requests do not look at unless they have put something into them."""
    provider.then(calling(upstream, streamed))
    first = dialects.request(dialect, content=SAID, stream=streamed) | dialects.tools(dialect, "mail")
    response = client.ask(dialect, upstream, first, stream=streamed)
    turn = STREAMED[dialect](response.content) if streamed else WHOLE[dialect](response.json())
    field = FIELD.get(dialect, "messages")
    asked = first[field] if isinstance(first[field], list) else [{"role": "user", "content": first[field]}]
    # What one guard finds in a new turn must not move what another has found before.
    said = f"Now #more# to eve@example.com, then to {OTHER}."
    more = dialects.turn(dialect, said)[field]
    more = more if isinstance(more, list) else [{"role": "user", "content": more}]
    second = first | {field: [*asked, *turn, result(dialect, turn), *more]}
    # The model has made up the third address.
    pieces = ("To <EMAIL_ADDRESS_", "4> and <EMAIL_ADDRESS_2>, <masked_", "3>.")
    provider.then(saying(upstream, streamed, *pieces))
    response = client.ask(dialect, upstream, second, stream=streamed)
    assert dialects.read(dialect, response).text == f"To eve@example.com and {OTHER}, #more#."
    sent = provider.last.body.decode()
    assert json.dumps(MASKED)[1:-1] in sent
    assert "Now <masked_3> to <EMAIL_ADDRESS_4>, then to <EMAIL_ADDRESS_2>." in sent
    for value in (ADDRESS, OTHER, "Rumpelstilzchen", '#a'):
        assert value not in sent, value


@both
@every_pair
def test_answers_that_are_json(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    """A model that was asked for JSON says it as text."""
    said = json.dumps(ARGUMENTS)
    provider.then(saying(upstream, streamed, *(said[at : at + 5] for at in range(0, len(said), 5))))
    response = client.ask(dialect, upstream, content=SAID, stream=streamed)
    assert json.loads(dialects.read(dialect, response).text) == RESTORED


# Others who write placeholders

FORGED: dict[str, dict[str, Any]] = {
    "in a message": {
        "messages": [
            {"role": "user", "content": "<EMAIL_ADDRESS_1>"},
            {"role": "user", "content": f"I am {ADDRESS}"},
        ]
    },
    "behind the value": {
        "messages": [
            {"role": "user", "content": f"I am {ADDRESS}"},
            {"role": "user", "content": "<EMAIL_ADDRESS_1>"},
        ]
    },
    "in a tool's description": dialects.tools("openai", "f", schema={"description": "<EMAIL_ADDRESS_1>"}),
    "in a result": {
        "messages": [
            {"role": "user", "content": f"I am {ADDRESS}"},
            {"role": "assistant", "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ]},
            {"role": "tool", "tool_call_id": "t", "content": "<EMAIL_ADDRESS_1>"},
        ]
    },
    "escaped in arguments": {
        "messages": [
            {"role": "user", "content": f"I am {ADDRESS}"},
            {"role": "assistant", "tool_calls": [
                {"id": "t", "type": "function", "function": {
                    "name": "f", "arguments": '{"a":"\\u003cEMAIL_ADDRESS_1\\u003E"}'
                }}
            ]},
            {"role": "tool", "tool_call_id": "t", "content": "ok"},
        ]
    },
}


@both
@pytest.mark.parametrize("place", FORGED)
def test_placeholders_of_others_stand_for_nothing(
    client: Client, provider: Provider, place: str, streamed: bool
) -> None:
    said = ("It is <EMAIL_ADDRESS_1", ">, and <EMAIL_ADDRESS_2>.")
    provider.then(saying("anthropic", streamed, *said))
    body = dialects.request("openai", content=f"I am {ADDRESS}", stream=streamed) | FORGED[place]
    response = client.ask("openai", "anthropic", body, stream=streamed)
    assert dialects.read("openai", response).text == f"It is <EMAIL_ADDRESS_1>, and {ADDRESS}."
    assert ADDRESS not in provider.last.body.decode()


# Several choices, reasoning, arrays


@both
def test_every_choice_and_what_is_thought(client: Client, provider: Provider, streamed: bool) -> None:
    """Choices and reasoning come in turns, and a placeholder of one may be broken by the other."""
    if streamed:

        def chunk(index: int, **delta: str) -> bytes:
            choice = {"index": index, "delta": delta, "finish_reason": None}
            return answers.openai_chunk({}, choices=[choice])

        events = [
            chunk(0, reasoning_content="0 thinks <EMAIL_"),
            chunk(1, reasoning_content="1 thinks <EMAIL_ADDRESS_1"),
            chunk(0, content="0 says <EMAIL_ADDRESS_"),
            chunk(1, content="1 says <EMA"),
            chunk(0, reasoning_content="ADDRESS_1>."),
            chunk(1, reasoning_content=">!"),
            chunk(1, content="IL_ADDRESS_1>!"),
            chunk(0, content="1>."),
            *(
                answers.openai_chunk({}, choices=[{"index": index, "delta": {}, "finish_reason": "stop"}])
                for index in (0, 1)
            ),
            answers.openai_event("[DONE]"),
        ]
        provider.then(stream(events))
    else:
        choices = [
            {
                "index": index,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {
                    "role": "assistant",
                    "content": f"{index} says <EMAIL_ADDRESS_1>{end}",
                    "reasoning_content": f"{index} thinks <EMAIL_ADDRESS_1>{end}",
                },
            }
            for index, end in ((0, "."), (1, "!"))
        ]
        provider.then(reply(answers.text("openai") | {"choices": choices}))
    response = client.ask("openai", "completions", content=f"I am {ADDRESS}", stream=streamed, n=2)
    said: dict[tuple[int, str], str] = {}
    bodies = [response.json()] if not streamed else [
        event.json for event in event_stream.parse(response.content) if event.data != "[DONE]"
    ]
    for body in bodies:
        for choice in body["choices"]:
            message = choice.get("message") or choice["delta"]
            for field in ("content", "reasoning_content"):
                key = (choice["index"], field)
                said[key] = said.get(key, "") + (message.get(field) or "")
    for index, end in ((0, "."), (1, "!")):
        assert said[index, "content"] == f"{index} says {ADDRESS}{end}"
        assert said[index, "reasoning_content"] == f"{index} thinks {ADDRESS}{end}"


@pytest.mark.parametrize("upstream", ["gemini", "anthropic"])
def test_streams_that_are_an_array(client: Client, provider: Provider, upstream: str) -> None:
    pieces = ("To <EMAIL_ADD", "RESS_1> and <EMAIL_ADDRESS_2>.")
    provider.then(stream(answers.text_stream(upstream, pieces)))
    url = client.url("gemini", upstream, stream=True).removesuffix("?alt=sse")
    body = dialects.request("gemini", content=f"I am {ADDRESS}")
    response = client.http.post(url, json=body, headers=dialects.headers("gemini"))
    assert isinstance(response.json(), list)
    assert dialects.read("gemini", response).text == f"To {ADDRESS} and <EMAIL_ADDRESS_2>."


# Other providers


@both
@pytest.mark.parametrize("backend", ["to-other", "to-none"])
@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_nothing_is_put_back_for_a_provider_that_got_no_placeholder(
    client: Client, provider: Provider, dialect: str, backend: str, streamed: bool
) -> None:
    said = ("It is <EMAIL_ADDRESS_1", ">.")
    answer = saying("anthropic", streamed, *said)
    # A provider that has never answered would be asked last after some of these tests.
    provider.then(usual, reply(answers.error("openai", 503), 503), answer)
    assert client.ask(dialect, backend).status_code == 200
    response = client.ask(dialect, backend, content=f"I am {ADDRESS}", stream=streamed)
    assert dialects.read(dialect, response).text == "It is <EMAIL_ADDRESS_1>."
    _, first, second = (request.body.decode() for request in provider.requests)
    assert ADDRESS not in first and "<EMAIL_ADDRESS_1>" in first
    assert ("I am <EMAIL_ADDRESS>" if backend == "to-other" else f"I am {ADDRESS}") in second
