"""Measures how far the estimates of src/models.rs are from the tokenisers that packages ship.

Run by hand when a factor is to be checked or a package has a new tokeniser; `docs/tokens.md` has the table it printed.

    python3 -m venv v && v/bin/pip install tiktoken==0.14.0 mistral-common==1.13.1 sentencepiece==0.2.3
    npm pack @anthropic-ai/tokenizer@0.0.4 llama-tokenizer-js@1.2.2 llama3-tokenizer-js@1.2.0   # unpack each
    v/bin/python families.py VOCABULARIES UNPACKED

VOCABULARIES holds o200k_base.tiktoken and cl100k_base.tiktoken (the assets of the crate tiktoken-rs; tiktoken checks
their digests), UNPACKED the unpacked npm packages, each in a folder named like its archive.
"""

import base64
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

vocabularies, unpacked = Path(sys.argv[1]), Path(sys.argv[2])
cache = tempfile.TemporaryDirectory()
for name in ("o200k_base", "cl100k_base"):
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    shutil.copy(vocabularies / f"{name}.tiktoken", Path(cache.name) / hashlib.sha1(url.encode()).hexdigest())
os.environ["TIKTOKEN_CACHE_DIR"] = cache.name

import mistral_common  # noqa: E402
import sentencepiece  # noqa: E402
import tiktoken  # noqa: E402
from mistral_common.tokens.tokenizers.tekken import Tekkenizer  # noqa: E402

mistral = Path(mistral_common.__file__).parent / "data"
tekken = Tekkenizer.from_file(mistral / "tekken_240911.json")
pieces = sentencepiece.SentencePieceProcessor(model_file=str(mistral / "mistral_instruct_tokenizer_241114.model.v7"))
o200k = tiktoken.get_encoding("o200k_base")
cl100k = tiktoken.get_encoding("cl100k_base")

anthropic = json.loads(next(unpacked.glob("*anthropic*/package/claude.json")).read_text())
first, *tokens = anthropic["bpe_ranks"].split(" ")[1:]
claude = tiktoken.Encoding(
    "claude",
    pat_str=anthropic["pat_str"],
    mergeable_ranks={base64.b64decode(token): rank for rank, token in enumerate(tokens, int(first))},
    special_tokens=anthropic["special_tokens"],
)


def llama(module, arguments):
    """Counts with a JavaScript package, all texts of a group in one process."""
    path = next(unpacked.glob(module)).resolve()
    script = (
        "const m = await import(process.argv[1]); const t = m.default ?? Object.values(m)[0];"
        "const { readFileSync } = await import('fs'); const texts = JSON.parse(readFileSync(0));"
        f"console.log(texts.reduce((sum, text) => sum + t.encode(text, {arguments}).length, 0))"
    )
    command = ["node", "--input-type=module", "-e", script, str(path)]
    return lambda texts: int(subprocess.run(command, input=json.dumps(texts), text=True, capture_output=True, check=True).stdout)


def each(count):
    return lambda texts: sum(count(text) for text in texts)


# Tokeniser, estimate's base, percent.
FAMILIES = {
    "claude-2": (each(lambda text: len(claude.encode_ordinary(unicodedata.normalize("NFKC", text)))), cl100k, 115),
    "tekken": (each(lambda text: len(tekken.encode(text, bos=False, eos=False))), o200k, 110),
    "mistral-v7": (each(lambda text: len(pieces.encode(text))), cl100k, 125),
    "llama-3": (llama("llama3-*/package/bundle/*data.js", "{bos: false, eos: false}"), cl100k, 100),
    "llama-2": (llama("llama-tok*/package/llama-tokenizer.js", "false, false"), cl100k, 130),
}

crate = Path(__file__).parent
registry = next(Path.home().glob(".cargo/registry/src/*"))


def files(pattern, step):
    return [Path(path).read_text(errors="ignore")[:20_000] for path in sorted(glob.glob(str(pattern), recursive=True))[::step]]


groups = {
    "English, licences": files("/usr/share/common-licenses/*", 1),
    "English, READMEs": files(registry / "*/README.md", 12),
    "Rust": files(registry / "*/src/lib.rs", 20),
    "Python": files(Path(os.__file__).parent / "*.py", 8),
    "JSON": files(crate.parent / "**/*.json", 4),
}
for line in (crate / "tests/corpus/languages.txt").read_text().splitlines():
    language, text = re.split(r"\s*[:：፦]\s*", line, maxsplit=1)
    groups[language] = [text]

print("| text | o200k tokens |", " | ".join(FAMILIES), "|")
print("|---" * (2 + len(FAMILIES)) + "|")
for group, texts in groups.items():
    row = []
    for count, base, percent in FAMILIES.values():
        estimate = sum(-(-len(base.encode_ordinary(text)) * percent // 100) for text in texts)
        row.append(f"{100 * estimate / count(texts) - 100:+.0f} %")
    print(f"| {group} | {sum(len(o200k.encode_ordinary(text)) for text in texts)} |", " | ".join(row), "|")
