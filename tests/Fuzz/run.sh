#!/usr/bin/env bash
# Fuzzes a parser with coverage: tests/Fuzz/run.sh afl|libfuzzer gguf|safetensors [SECONDS]
# afl needs afl-fuzz (Debian: apt-get install afl++), libfuzzer the program libfuzzer-dotnet (https://github.com/Metalnem/libfuzzer-dotnet)
# on the path or in LIBFUZZER_DOTNET. Both need the tool that instruments the parsers:
#   dotnet tool install --global SharpFuzz.CommandLine --version 2.3.0
# Findings and the grown corpus lie in tests/Fuzz/bin/ENGINE-PARSER; `Fuzz reproduce PARSER FILE` says what one does.
set -euo pipefail
cd "$(dirname "$0")"
engine=${1:?afl or libfuzzer} parser=${2:?gguf or safetensors} seconds=${3:-3600}
PATH=$PATH:$HOME/.dotnet/tools
command -v sharpfuzz >/dev/null || { echo "sharpfuzz is missing: dotnet tool install --global SharpFuzz.CommandLine --version 2.3.0"; exit 1; }

out=$PWD/bin/instrumented
rm -rf "$out"
dotnet publish -c Release -o "$out" --nologo -v q
sharpfuzz "$out/WarpDecode.Formats.dll"
work=$PWD/bin/$engine-$parser
mkdir -p "$work"

case $engine in
afl)
    command -v afl-fuzz >/dev/null || { echo "afl-fuzz is missing: apt-get install afl++"; exit 1; }
    # The fuzzed program is not instrumented by AFL's compiler; the runtime reserves much address space; machines may be
    # set up to hand core dumps to a program or to scale their clocks.
    export AFL_SKIP_BIN_CHECK=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=${AFL_NO_UI-1}
    exec timeout --preserve-status --signal=INT "$seconds" \
        afl-fuzz -i "corpus/$parser" -o "$work" -t 5000 -m none -- dotnet "$out/Fuzz.dll" afl "$parser"
    ;;
libfuzzer)
    driver=${LIBFUZZER_DOTNET:-libfuzzer-dotnet}
    command -v "$driver" >/dev/null || { echo "$driver is missing: see the top of this script"; exit 1; }
    cp -n "corpus/$parser"/* "$work"
    exec "$driver" --target_path=dotnet --target_arg="$out/Fuzz.dll libfuzzer $parser" -max_total_time="$seconds" -timeout=1 "$work"
    ;;
*)
    echo "unknown engine '$engine': afl or libfuzzer"
    exit 1
    ;;
esac
