#!/usr/bin/env bash
# Runs every fuzz target of Cargo.toml for a while: fuzz/smoke.sh [SECONDS PER TARGET, default 8]
#
# Works on a copy of the committed corpus, so nothing under fuzz/corpus changes. Exits non-zero if a target does not
# build, crashes, or has no corpus; the crashing input is then in fuzz/artifacts/<target>/.
set -euo pipefail

seconds="${1:-8}"
if ! [[ "$seconds" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: fuzz/smoke.sh [seconds per target, a positive whole number]" >&2
    exit 2
fi

fuzz="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
tools="$fuzz/../.cache/tools"
cd "$fuzz"

# The coverage instrumentation needs -Z flags. This lets the pinned stable toolchain accept them; without a sanitizer
# nothing else needs a nightly.
export RUSTC_BOOTSTRAP=1

PATH="$PATH:$tools/bin"
if ! command -v cargo-fuzz >/dev/null; then
    echo "smoke: installing cargo-fuzz into .cache/tools (once)" >&2
    env -u RUSTC_BOOTSTRAP cargo install cargo-fuzz --locked --root "$tools"
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Captured first: a failing command inside a `for … in $(…)` or pipe would pass for an empty list.
listed="$(cargo fuzz list --fuzz-dir .)"
mapfile -t targets <<<"$listed"
if [[ -z "$listed" ]]; then
    echo "smoke: Cargo.toml lists no [[bin]] target" >&2
    exit 1
fi

cargo fuzz build --fuzz-dir . --sanitizer none

# What is wrong, and the input as text that can be copied out of a log: the machine that printed it may be gone.
report() {
    local target="$1" log="$2" input
    # Without the progress lines and the input as numbers, which would push the panic message out.
    grep -Ev '^#[0-9]+\s|NEW_FUNC|^\s*\[[0-9, ]+\]$' "$log" | grep -A 40 -m 1 -E 'panicked at|ERROR: libFuzzer|^error' || tail -n 40 "$log"
    input="$(sed -n '/Test unit written to /{s/.*Test unit written to //p;q}' "$log")"
    if [[ -f "$input" ]]; then
        echo "smoke: $target fails on this input (base64, gzip):"
        gzip -9 <"$input" | base64
    fi
}

failed=()
for target in "${targets[@]}"; do
    if [[ -z "$(ls -A "corpus/$target" 2>/dev/null)" ]]; then
        echo "smoke: $target has no seeds; add small named files to fuzz/corpus/$target/" >&2
        failed+=("$target")
        continue
    fi
    cp -r "corpus/$target" "$work/$target"
    echo "smoke: $target for $seconds s" >&2
    # timeout: of one input, so that an endless loop is found too. rss_limit_mb: so is unbounded memory.
    if cargo fuzz run --fuzz-dir . --sanitizer none "$target" "$work/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        >"$work/$target.log" 2>&1; then
        grep '^stat::number_of_executed_units' "$work/$target.log" >&2
    else
        report "$target" "$work/$target.log" >&2
        failed+=("$target")
    fi
done

if ((${#failed[@]})); then
    echo "smoke: FAILED: ${failed[*]} (crashing inputs, if any, are in fuzz/artifacts/)" >&2
    exit 1
fi
echo "smoke: ${#targets[@]} target(s) passed" >&2
