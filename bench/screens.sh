#!/bin/bash
# Pictures of the full-screen chat for the README: docs/screen.svg. Needs tmux; the programs must be built.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$PWD/src/Chat/bin/Release/net10.0/wd-run
home=$(mktemp -d)
t() { tmux -L wd-screens "$@"; }
trap 't kill-server 2>/dev/null; rm -rf "$home"' EXIT
printf 'set -g default-terminal tmux-256color\nset -as terminal-features ",*:RGB"\n' > "$home/tmux.conf"
t -f "$home/tmux.conf" new-session -d -x 90 -y 28 "env -u NO_COLOR HOME='$home' XDG_DATA_HOME='$home' COLORTERM=truecolor LC_ALL=C.UTF-8 '$program' --theme dark --temp 0"
await() { for _ in $(seq 600); do t capture-pane -p | grep -q "$1" && return; sleep 0.1; done; echo "the screen never showed $1" >&2; exit 1; }
idle() { for _ in $(seq 600); do t capture-pane -p | grep -q "Esc stops\|reading" || return 0; sleep 0.1; done; echo "the answer never ended" >&2; exit 1; }
say() { t send-keys -l "$1"; t send-keys Enter; sleep 0.5; idle; await "$2"; }
await '/1024'
say 'Hello!' 'Hello! '
say 'What is 12 + 7?' '19'
say '/branch story' 'Branch story begins'
say 'Tell me a story about a fox' 'tok/s'
say '/branches' 'ready ones'
sleep 5 # what was said for a moment goes
t send-keys -l '/re'
sleep 0.5
t capture-pane -e -p | dotnet run -c Release --no-build --project tests/Bench -- screen --width 90 > docs/screen.svg
ls -l docs/screen.svg
