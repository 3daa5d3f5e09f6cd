#!/usr/bin/env bash
# Measures this machine and writes tests/Bench/results/NAME/: wd-run bench on synthetic models and the default one, start-up, row kernels,
# and on a GPU, where wd-run finds one, a synthetic Qwen3-30B-A3B. NAME says which machine, for example epyc-2-cores.
# Run it on a quiet machine: about five minutes, with a GPU ten. Then `dotnet run -c Release --project tests/Bench -- readme --write`.
#   bench/results.sh NAME [cpu|gpu|gpu-forms|gpu-models]      the last two are the halves of gpu
# With WD_RUN and WD_BENCH (programs built elsewhere) it needs no .NET.
set -euo pipefail
name=${1:?usage: bench/results.sh NAME [cpu|gpu|gpu-forms|gpu-models]}
part=${2:-all}
cd "$(dirname "$0")/.."
if [ -z "${WD_RUN:-}" ] || [ -z "${WD_BENCH:-}" ]; then
    dotnet build -c Release -v q src/Chat
    dotnet build -c Release -v q tests/Bench
fi
wd=${WD_RUN:-src/Chat/bin/Release/net10.0/wd-run}
bench=${WD_BENCH:-tests/Bench/bin/Release/net10.0/Bench}
out=${OUT_FOLDER:-tests/Bench/results}/$name
mkdir -p "$out"

measure() { # FILE ARGUMENTS OF wd-run bench …
    local file=$1
    shift
    echo "$file: wd-run bench $*"
    "$wd" bench "$@" --json > "$out/$file.json.tmp"
    mv "$out/$file.json.tmp" "$out/$file.json"
    { echo "Written by \`bench/results.sh $name\`: \`wd-run bench $*\`"; echo; "$bench" render "$out/$file.json"; } > "$out/$file.md"
}

model=models/warpdecode-tiny-moe-q8_0.gguf
accuracy() { # FILE OPTIONS OF wd-run accuracy …
    local file=$1
    shift
    echo "$file: wd-run accuracy $*"
    "$wd" accuracy "$@" --json > "$out/$file.json.tmp"
    mv "$out/$file.json.tmp" "$out/$file.json"
    { echo "Written by \`bench/results.sh $name\`: \`wd-run accuracy $*\`"; echo; "$wd" accuracy "$@" --markdown; } > "$out/$file.md"
}

if [ "$part" = all ] || [ "$part" = cpu ]; then
    for task in choice_text choice_chat exact_match; do
        echo "eval: $task"
        # Where the single answers lie means nothing elsewhere.
        "$wd" eval $model --task models/eval/$task.jsonl --backend cpu --restart -o "$out/eval.tmp" --json - | grep -v '^  "results":' > "$out/eval-$task.json"
        rm "$out/eval.tmp"
    done
    accuracy accuracy $model --no-gpu
    for golden in qwen3_moe-bf16 qwen3_moe-Q4_K_M-mix; do accuracy accuracy-$golden tests/Golden/qwen3_moe/$golden.gguf --no-gpu; done
    for type in Q8_0 Q4_K BF16; do
        measure "small-$(echo $type | tr '[:upper:]' '[:lower:]')" --synthetic small:$type --backend cpu -p 256 -n 64 -b 1,8 -d 0 -r 7
    done
    measure default $model --backend cpu -p 256 -n 128 -b 1,2,4,8 -d 0 -r 11
    "$bench" startup --program "$wd" --out "$out/startup.json"
    "$bench" open --repeats 9 | sed 's/^wd-open-[^,]*, /A sparse Qwen3-30B-A3B, /; s/$/  /' > "$out/open.md"
    "$bench" rows --mib 512 --repeats 5 --out "$out/rows.md"
fi
if [ "$part" != cpu ] && "$wd" info $model --json | tr -d ' \n' | grep -q '"backends":\["cuda"'; then
    if [ "$part" != gpu-models ]; then
        accuracy accuracy $model --tokens 60
        for type in Q4_K BF16; do
            measure "gpu-moe-$(echo $type | tr '[:upper:]' '[:lower:]')" --synthetic qwen3-30b-a3b:$type:8 --backend cuda \
                --moe auto,conventional,conventional-mxfp8,bf16,warp-fp32 -p 512 -n 64 -b 1,2,4,8,16,32 -d 128 -r 5
        done
    fi
    if [ "$part" != gpu-forms ]; then
        for type in Q4_K_M BF16; do
            measure "gpu-qwen3-30b-a3b-$(echo $type | tr '[:upper:]' '[:lower:]')" --synthetic qwen3-30b-a3b:$type --backend cuda \
                -p 512 -n 64 -b 1,2,4,8,16,32 -d 128,4096,16384 -r 5
        done
    fi
fi
echo "wrote $out"
