#!/usr/bin/env bash
# Quantizes a model with wd-run and with llama.cpp's llama-quantize, from the same FP32 file, and compares: error of the weights in every
# type, and perplexity of the usual files, both by llama-perplexity. Prints Markdown: LLAMA=FOLDER bench/quantize.sh MODEL TEXT > RESULT.md
#   LLAMA=…/bin (llama-quantize, llama-perplexity)   TYPES="Q8_0 Q4_0 …" (errors)   FILES="Q8_0 Q4_K_M MXFP4_MOE" (perplexity)
#   CONTEXT=512   CHUNKS=-1   THREADS=2   WD_RUN=…/wd-run   TEMP_FOLDER=/tmp (room for a few copies of the model in FP32)
set -euo pipefail
[ $# -eq 2 ] && [ -n "${LLAMA:-}" ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
model=$1
text=$2
root=$(cd "$(dirname "$0")/.." && pwd)
wd=${WD_RUN:-$root/src/Chat/bin/Release/net10.0/wd-run}
bench=$root/tests/Bench/bin/Release/net10.0/Bench
threads=${THREADS:-2}
folder=$(mktemp -d "${TEMP_FOLDER:-/tmp}/wd-quantize-XXXXXX")
trap 'rm -rf "$folder"' EXIT
base=$folder/f32.gguf

seconds() { # what a command took, its output in the log
    local start
    start=$(date +%s.%N)
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; return 1; }
    awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'
}
perplexity() { # its last lines are now and then lost: up to three times
    local value=
    for _ in 1 2 3; do
        "$LLAMA/llama-perplexity" -m "$1" -f "$text" -c "${CONTEXT:-512}" --chunks "${CHUNKS:--1}" -t "$threads" >"$folder/log" 2>&1 || break
        value=$(sed -n 's/.*Final estimate: PPL = //p' "$folder/log" | sed 's/+\/-/±/')
        [ -z "$value" ] || { echo "$value"; return; }
    done
    cat "$folder/log" >&2
    return 1
}

"$wd" quantize "$model" "$base" F32 --allow-requantize >/dev/null
echo "# Quantization against llama.cpp"
echo
echo "Written by \`bench/quantize.sh $(basename "$model") $(basename "$text")\`: wd-run $("$wd" --version) against"
echo "$("$LLAMA/llama-perplexity" --version 2>&1 | sed -n 's/^version: */llama.cpp /p'), both from the model in FP32, $threads threads."
echo
echo "## Error of the weights"
echo
echo "All tensors in one type (\`--pure\`), no importance matrix. Error: root mean square over that of the weights. Seconds are of whole"
echo "processes on a machine that may be busy."
echo
echo "| type | tensors | of other types | wd-run | llama.cpp | ratio | ratio, tensor by tensor | wd-run, s | llama.cpp, s |"
echo "|---|---|---|---|---|---|---|---|---|"
for type in ${TYPES:-Q8_0 Q6_K Q5_K_S Q5_1 Q5_0 Q4_K_S Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4_MOE Q3_K_S Q2_K}; do
    ours=$(seconds "$wd" quantize "$base" "$folder/ours.gguf" "$type" --pure --force -t "$threads")
    theirs=$(seconds "$LLAMA/llama-quantize" --pure "$base" "$folder/theirs.gguf" "$type" "$threads")
    echo "$("$bench" quantize-errors "$base" "$folder/ours.gguf" "$folder/theirs.gguf" --label "$type") $ours | $theirs |"
done
echo
echo "## Perplexity"
echo
echo "Which tensors get more bits is the same in both files. Perplexity by llama-perplexity, windows of ${CONTEXT:-512} tokens; FP32: $(perplexity "$base")."
echo
echo "| type | bytes, wd-run | bytes, llama.cpp | wd-run | llama.cpp | ratio |"
echo "|---|---|---|---|---|---|"
for type in ${FILES:-Q8_0 Q4_K_M MXFP4_MOE}; do
    "$wd" quantize "$base" "$folder/ours.gguf" "$type" --force -t "$threads" >/dev/null
    "$LLAMA/llama-quantize" "$base" "$folder/theirs.gguf" "$type" "$threads" >/dev/null 2>&1
    ours=$(perplexity "$folder/ours.gguf")
    theirs=$(perplexity "$folder/theirs.gguf")
    ratio=$(awk -v a="${ours%% *}" -v b="${theirs%% *}" 'BEGIN { printf "%.5f", a / b }')
    echo "| $type | $(stat -c %s "$folder/ours.gguf") | $(stat -c %s "$folder/theirs.gguf") | $ours | $theirs | $ratio |"
done
