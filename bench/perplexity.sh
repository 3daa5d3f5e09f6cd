#!/usr/bin/env bash
# Perplexity of a model on a text, by wd-run and, where LLAMA names it, by llama.cpp's llama-perplexity on the same file with the
# same windows; the ratio beside them. Prints a Markdown table: bench/perplexity.sh MODEL TEXT [TEXT…] > RESULT.md
#   LLAMA=…/llama-perplexity   LLAMA_OPTIONS="-ctk f32 -ctv f32 -fa off"   CHUNKS=64 (windows of each text)   CONTEXT=512
#   WD_RUN=…/wd-run   BACKEND=cpu
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
model=$1
shift
wd=${WD_RUN:-$(dirname "$0")/../src/Chat/bin/Release/net10.0/wd-run}
context=${CONTEXT:-512}
chunks=${CHUNKS:-64}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "$(basename "$model"), windows of $context tokens, $chunks of each text at most; wd-run $("$wd" --version), backend ${BACKEND:-cpu}"
if [ -n "${LLAMA:-}" ]; then echo "against $("$LLAMA" --version 2>&1 | sed -n 's/^version: */llama.cpp /p') ${LLAMA_OPTIONS:-without options}"; fi
echo
echo "| text | windows | tokens scored | wd-run | llama.cpp | ratio |"
echo "|---|---|---|---|---|---|"
for text in "$@"; do
    "$wd" perplexity "$model" -f "$text" -c "$context" --chunks "$chunks" --backend "${BACKEND:-cpu}" >"$log"
    ours=$(sed -n 's/^PPL = //p' "$log")
    windows=$(sed -n 's/^\([0-9]*\) windows of .*/\1/p' "$log")
    scored=$(sed -n 's/.*, \([0-9]*\) tokens scored;.*/\1/p' "$log")
    theirs=- ratio=-
    if [ -n "${LLAMA:-}" ]; then
        # shellcheck disable=SC2086 # several words
        "$LLAMA" -m "$model" -f "$text" -c "$context" --chunks "$chunks" ${LLAMA_OPTIONS:-} >"$log" 2>&1
        theirs=$(sed -n 's/.*Final estimate: PPL = //p' "$log" | sed 's/+\/-/±/')
        ratio=$(awk -v a="${ours%% *}" -v b="${theirs%% *}" 'BEGIN { printf "%.5f", a / b }')
    fi
    echo "| $(basename "$text") | $windows | $scored | $ours | $theirs | $ratio |"
done
