#!/usr/bin/env bash
# Measures this machine and writes tests/Bench/results/NAME.md; NAME says which machine, for example epyc-2-cores.
# Run it on a quiet machine: about two minutes.
set -euo pipefail
name=${1:?usage: tests/Bench/run.sh NAME}
cd "$(dirname "$0")/../.."
dotnet build tests/Bench -c Release -v q
dotnet build src/Chat -c Release -v q
bench=tests/Bench/bin/Release/net10.0/Bench.dll
mkdir -p tests/Bench/results
out=tests/Bench/results/$name.md
{
    echo "# $name"
    echo
    echo "Written by \`tests/Bench/run.sh $name\` at commit $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- src || echo ' with changes')."
    echo
} > "$out"
for type in Q8_0 Q4_K BF16; do dotnet "$bench" decode --type "$type" --batch 1 8 --repeats 5 --out "$out"; done
dotnet "$bench" startup --program src/Chat/bin/Release/net10.0/wd-run --out "$out"
dotnet "$bench" decode --model models/warpdecode-tiny-moe-q8_0.gguf --out "$out"
rows=$(mktemp)
dotnet "$bench" rows --mib 512 --repeats 5 --out "$rows"
cat "$rows" >> "$out"
rm -f "$rows"
echo "wrote $out"
