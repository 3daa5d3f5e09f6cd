#!/usr/bin/env bash
# Checks and measures the cuda backend on this machine: correctness against the golden logits and the cpu backend, batches bit for
# bit, read bandwidth, the expert kernels, whole steps. Needs an NVIDIA driver, this repository's golden files, and the
# archive of bench/gpu-package.sh; under four minutes. Results: gpu-check.md, gpu-check.json and gpu-check.log.
#   bench/gpu-check.sh [ARCHIVE] [RESULT FOLDER] [SECTION …]
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
archive=$(realpath "${1:-$root/.gpu/gpu-check.tar.xz}")
results=${2:-$root/.gpu/results}
shift $(($# < 2 ? $# : 2))
sections=("$@")
[ $# -gt 0 ] || sections=(operations golden bandwidth models steps conversations exact experts dense attention logits kernels)
mkdir -p "$results"
results=$(cd "$results" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tar -xf "$archive" || exit 2
golden=$root/tests/Golden/qwen3_moe
models=("$root"/models/*.gguf)
[ -f "${models[0]:-}" ] || models=()
export XDG_CACHE_HOME="$work/cache" CUDA_CACHE_DISABLE=1

# Each section is a process of its own: what an illegal address does to one, the driver keeps until the process ends.
deadline=$((SECONDS + 225))
{
  echo "# GPU check"
  echo
  nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used,clocks.sm,clocks.mem --format=csv 2>&1
  for section in "${sections[@]}"; do
    left=$((deadline - SECONDS))
    [ $left -gt 10 ] || { echo "$section: not begun, the time is over"; continue; }
    if [ "$section" = operations ]; then
      # The tests of the kernels, on the device.
      echo -e "\n## operations\n"
      WD_TEST_DEVICE=cuda TESTINGPLATFORM_TELEMETRY_OPTOUT=1 timeout --kill-after=5 $left app/Kernels.Tests --filter-namespace '*.Gpu' --filter-not-class '*PtxTests' \
        --parallel none --no-ansi --progress off > "$work/out" 2>&1
      [ $? -eq 0 ] || echo "$section" >> "$work/failed"
      grep -A 8 '^failed' "$work/out" | head -n 120
      tail -n 6 "$work/out"
      cat "$work/out" >> "$results/gpu-check.log"
      continue
    fi
    timeout --kill-after=5 $left app/GpuCheck --only "$section" --golden "$golden" --quantized quantized \
      ${models[0]:+--model "${models[@]}"} --out "$work/$section" --seconds $((left > 80 ? 60 : left - 10)) > "$work/out" 2>&1
    code=$?
    [ $code -eq 0 ] || echo "$section" >> "$work/failed"
    if [ -f "$work/$section/gpu-check.md" ]; then cat "$work/$section/gpu-check.md"; fi
    # What only the console saw: a crash, or the driver's own words.
    [ $code -le 1 ] || { echo "$section ended with $code:"; tail -n 40 "$work/out"; }
    cat "$work/out" >> "$results/gpu-check.log"
  done
  nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv 2>&1
} | tee "$results/gpu-check.md"
{
  echo "["
  comma=""
  for section in "${sections[@]}"; do
    [ -f "$work/$section/gpu-check.json" ] || continue
    printf '%s' "$comma"
    cat "$work/$section/gpu-check.json"
    comma=","
  done
  echo "]"
} > "$results/gpu-check.json"
if [ -f "$work/failed" ]; then
  echo "FAILED: $(tr '\n' ' ' < "$work/failed")"
  exit 1
fi
echo "ALL PASSED"
