"""T-01: every client dialect to every provider dialect, with what requests can hold. Each cell is an answer
or a refusal that names what cannot be carried; none is an error of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

import answers
import dialects
from dialects import PAIRS, Client
from provider import Provider

PIXEL = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

# What a request of each dialect can hold beside text: name -> fields, or the content of the turn.
OPENAI: dict[str, dict[str, Any]] = {
    "system": {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]},
    "image by URL": {"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
    "document": {
        "content": [
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
        ]
    },
    "audio": {"content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]},
    "structured": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
        }
    },
    "json object": {"response_format": {"type": "json_object"}},
    "effort": {"reasoning_effort": "high"},
    "sampling": {
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
        "seed": 7,
    },
    "limits": {"max_completion_tokens": 50, "stop": ["END", "STOP"]},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "several": {"n": 2},
    "metadata": {"user": "u", "metadata": {"a": "b"}, "service_tier": "auto", "store": False},
}
RESPONSES: dict[str, dict[str, Any]] = {
    "system": {"instructions": "Be kind."},
    "image by URL": {
        "content": [{"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}]
    },
    "document": {
        "content": [
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
        ]
    },
    "structured": {
        "text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    },
    "effort": {
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    "limits": {"max_output_tokens": 50, "truncation": "auto", "parallel_tool_calls": False},
    "earlier": {"previous_response_id": "resp_0"},
    "built in": {"tools": [{"type": "web_search"}]},
    "background": {"background": True},
    "metadata": {"user": "u", "metadata": {"a": "b"}, "store": False, "prompt_cache_key": "k"},
}
ANTHROPIC: dict[str, dict[str, Any]] = {
    "system": {"system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]},
    "image by URL": {
        "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]
    },
    "document": {
        "content": [
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "citations": {"enabled": True},
            }
        ]
    },
    "thinking": {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
    "sampling": {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"]},
    "built in": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "metadata": {"metadata": {"user_id": "u"}, "service_tier": "auto"},
}
GEMINI: dict[str, dict[str, Any]] = {
    "system": {"systemInstruction": {"parts": [{"text": "Be kind."}]}},
    "image": {"content": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]},
    "file": {"content": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}}]},
    "document": {"content": [{"inlineData": {"mimeType": "application/pdf", "data": PDF}}]},
    "audio": {"content": [{"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}]},
    "structured": {
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    },
    "thinking": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}},
    "sampling": {"generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 5, "seed": 7}},
    "logprobs": {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
    "several": {"generationConfig": {"candidateCount": 2}},
    "built in": {"tools": [{"googleSearch": {}}]},
    "safety": {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]},
}
BEDROCK: dict[str, dict[str, Any]] = {
    "system": {"system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}]},
    "image": {"content": [{"text": "?"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]},
    "document": {
        "content": [{"text": "?"}, {"document": {"format": "pdf", "name": "a", "source": {"bytes": PDF}}}]
    },
    "video": {"content": [{"text": "?"}, {"video": {"format": "mp4", "source": {"bytes": "AA=="}}}]},
    "sampling": {
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
    },
    "own fields": {"additionalModelRequestFields": {"top_k": 5}},
    "guardrail": {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
    "metadata": {"requestMetadata": {"a": "b"}},
}
FEATURES = {
    "openai": OPENAI,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "bedrock": BEDROCK,
}


@pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_t01_no_cell_is_an_error_of_the_gateway(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    for name, fields in FEATURES[dialect].items():
        provider.clear()
        response = client.ask(dialect, upstream, stream=streamed, **fields)
        if response.status_code == 200:
            assert dialects.read(dialect, response).text == answers.TEXT, name
            assert len(provider.requests) == 1
        else:
            error = dialects.error_of(dialect, response, 400)
            assert error["type"] == dialects.invalid(dialect), name
            assert provider.requests == [], f"{name}: refused, and yet sent"
            assert dialect != upstream, f"{name}: what the provider speaks itself passes"
