#!/usr/bin/env bash
# Builds the archive that bench/gpu-check.sh needs on a machine with a GPU, which needs neither .NET nor a network there:
# .gpu/gpu-check.tar.xz, with the self-contained programs and a few quantized golden files that are not in the repository. After
# tar -xJf, WD_RUN=app/wd-run WD_BENCH=app/Bench bench/results.sh NAME measures whole models there.
#   bench/gpu-package.sh [FOLDER OF MORE QUANTIZED GOLDEN FILES]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/.gpu
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$out" "$stage/quantized"
# No trimming: ILGPU reads the IL of kernels when it runs. ReadyToRun: half a second less start-up.
# The kernels' tests to be run on the device, wd-run and Bench for bench/results.sh there: they share their libraries.
for project in tests/Kernels.Tests tests/GpuCheck src/Chat tests/Bench; do
  dotnet publish "$project" -c Release -r linux-x64 --self-contained true \
    -p:PublishReadyToRun=true -p:PublishTrimmed=false -p:DebugType=none -o "$stage/app" -v quiet -nologo
done
rm -f "$stage"/app/*.xml "$stage"/app/*.pdb
# Of the runtime what only a debugger or a tracer needs.
rm -f "$stage"/app/{createdump,libmscordaccore.so,libmscordbi.so,libcoreclrtraceptprovider.so,libclrgc.so,libclrgcexp.so}
for file in "${1:-../shared/data/golden/gguf-quantized}"/qwen3_moe-{Q8_0,Q6_K}.{gguf,dequantised.f32}; do
  [ -f "$file" ] && cp "$file" "$stage/quantized/"
done
tar -C "$stage" -cf - . | xz -T0 -9e > "$out/gpu-check.tar.xz.tmp"
mv "$out/gpu-check.tar.xz.tmp" "$out/gpu-check.tar.xz"
ls -l "$out/gpu-check.tar.xz"
