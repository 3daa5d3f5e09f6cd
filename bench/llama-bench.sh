#!/usr/bin/env bash
# Measures a model with llama.cpp's llama-bench and with wd-run, one after the other on the same machine, and puts the ratio beside ours:
# a prompt of 512 tokens and 128 decoded ones, on the GPU if wd-run can use one, else on the CPU with the same threads.
#   bench/llama-bench.sh MODEL [LLAMA_BENCH_BINARY] [MORE OPTIONS OF wd-run bench …]
# THREADS: threads of both on the CPU, all by default. WD_RUN: the wd-run program, by default the one that is built here.
set -euo pipefail
usage="usage: bench/llama-bench.sh MODEL [LLAMA_BENCH_BINARY] [MORE OPTIONS OF wd-run bench …]"
model=${1:?$usage}
llama=${2:-$(command -v llama-bench || true)}
shift $(($# < 2 ? $# : 2))
root=$(cd "$(dirname "$0")/.." && pwd)
wd=${WD_RUN:-$root/src/Chat/bin/Release/net10.0/wd-run}
threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)}
if [ -z "$llama" ] || [ ! -x "$llama" ]; then
    cat >&2 <<'TEXT'
error: llama-bench was not found
hint:  give its path as the second argument, or build it:
         git clone https://github.com/ggml-org/llama.cpp && cd llama.cpp
         cmake -B build -DCMAKE_BUILD_TYPE=Release        # for an NVIDIA GPU add -DGGML_CUDA=ON
         cmake --build build --target llama-bench -j
TEXT
    exit 2
fi
if [ ! -x "$wd" ]; then
    echo "error: $wd is not built" >&2
    echo "hint:  dotnet build -c Release src/Chat" >&2
    exit 2
fi
if "$wd" info "$model" --json | tr -d ' \n' | grep -q '"backends":\["cuda"'; then backend=cuda layers=99; else backend=cpu layers=0; fi
theirs=$(mktemp)
trap 'rm -f "$theirs"' EXIT
"$llama" -m "$model" -p 512 -n 128 -r 5 -t "$threads" -ngl $layers -fa 1 -o json > "$theirs"
exec "$wd" bench "$model" -p 512 -n 128 -r 5 -b 1 -d 0 -t "$threads" --backend $backend --compare "$theirs" "$@"
