#!/usr/bin/env bash
# Train on a machine with a GPU, several networks at the same time, in calls of a few minutes.
#
#   scripts/gpu_train.sh pack  PACK_DIR TUNES_NPZ [CORPUS_DIR] [RUN_DIR...]   as files under 16 MB
#   scripts/gpu_train.sh train PACK_DIR OUT_DIR LANE...                       unpack, train, pack what came of it
#
# A LANE is a list of stages, one after another, as NAME:SECONDS; lanes run beside each other:
#
#   scripts/gpu_train.sh train pack out "vae:100 decoder:30 tune:300" "small:300" "mdn:300" "paper:300"
#
#   vae      the VAE of tunes; decoder: its decoder alone, on the same latents; tune: a denoiser on them (or on TUNE_VAE's)
#   writer   the decoder of TUNE_VAE once more, on what the denoiser of `tune` makes (or that of the model TUNE_VAE)
#   small    the denoiser of windows of CORPUS_DIR, large: one of nine times its size, mdn and paper: the baselines beside
#            it; all on the latents of pop-64
#
# How many steps fit into its seconds is measured first (PROBE steps); SET_VAE, SET_TUNE and so on are more settings of a
# stage, such as "--set loop.steps=900", with which nothing is measured. Each lane can be killed: runs resume.
# `train` needs no network, but PyTorch, NumPy, safetensors, onnx, onnxruntime, typer, rich, msgspec and this tree.
# OUT_DIR then holds trained.tar.xz.NN, pieces of at most 15 MB: of each run its last averaged weights (and those of
# `loop.keep_every`) in half precision and metrics.jsonl. WHOLE=1 packs whole checkpoints: put the pieces into PACK_DIR, and
# another call goes on where this one stopped, to as many steps.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
piece=${PIECE:-15000000} probe=${PROBE:-60}

pack() { # what `train` begins with
  local out=$1 tunes=$2; shift 2
  mkdir -p "$out"
  rm -f "$out"/{data,trained}.tar.xz.*
  local given=()
  for one in "$tunes" "$@"; do given+=(-C "$(cd "$(dirname "$one")" && pwd)" "$(basename "$one")"); done
  tar -c --exclude='latents-*' "${given[@]}" | xz -T0 -4 | split -b "$piece" -d - "$out/data.tar.xz."
  du -sh "$out"
}

arguments() { # of `cantilena train`, for a stage
  local pop="--corpus $work/${CORPUS:-pop} --set data.vae=pop-64 --set data.latent=pop-64"
  case $1 in
    vae) echo "vae $here/recipes/open_vae.toml --corpus $work/tunes.npz" ;;
    decoder) echo "vae $here/recipes/open_vae.toml --corpus $work/tunes.npz --init ${DECODER_OF:-$work/runs/vae}" \
      "--set loss.frozen=true --set loop.lr=1e-3" ;;
    tune) echo "denoiser $here/recipes/open.toml --corpus $work/tunes.npz --set tunes.vae=${TUNE_VAE:-$work/runs/vae}" ;;
    writer) local of=$work/runs/tune
      echo "decoder $here/recipes/open_decoder.toml --corpus $work/tunes.npz --set latents.model=${TUNE_VAE:-$work/runs/vae}" \
      "$([ ! -d "$of" ] || echo "--set latents.denoiser=$of")" ;;
    small | large) echo "denoiser $here/recipes/$1.toml $pop" ;;
    mdn) echo "mdn $here/recipes/mdn.toml $pop" ;;
    paper) echo "denoiser $here/recipes/paper_choices.toml $pop" ;;
    *) echo "no such stage: $1" >&2; exit 2 ;;
  esac
}

stage() { # NAME:SECONDS
  local name=${1%:*} seconds=${1#*:} run begun steps rc=0 more=()
  run=$work/runs/$name begun=$(date +%s)
  local settings="SET_${name^^}"
  read -ra more <<< "$(arguments "$name") --set loop.device=auto --set loop.precision=auto ${!settings:-}"
  if compgen -G "$run/step-*/run.json" > /dev/null; then # of an earlier call
    steps=$("$python" -c 'import glob, json, sys
print(json.load(open(sorted(glob.glob(sys.argv[1] + "/step-*/run.json"))[-1]))["loop"]["steps"])' "$run")
    more+=(--set "loop.steps=$steps")
  elif [[ "${!settings:-}" != *loop.steps=* ]]; then
    if [ "$name" = writer ] && [ -f "$work/runs/tune/sequences.safetensors" ]; then # encoded already
      mkdir -p "$work/probes/writer"
      cp "$work/runs/tune"/{sequences.safetensors,latent.npz} "$work/probes/writer"
    fi
    "$python" -m cantilena train "${more[@]}" --run "$work/probes/$name" --set loop.steps="$probe" --set loop.log_every=20
    [ ! -f "$work/probes/$name/sequences.safetensors" ] || { mkdir -p "$run"; # encoded once
      mv "$work/probes/$name"/{sequences.safetensors,latent.npz} "$run"; }
    steps=$("$python" - "$work/probes/$name/metrics.jsonl" "$seconds" $(( $(date +%s) - begun )) <<'PY'
import json, sys
seconds, taken = float(sys.argv[2]), float(sys.argv[3])
rows = [json.loads(line) for line in open(sys.argv[1])]
at = {row["step"]: row["seconds"] for row in rows if "seconds" in row}
rate = max(at[max(at)] - at[20], 0.1) / (max(at) - 20)
start = min(taken - (at[max(at)] - at[20]), 30)  # what it costs to begin, once more
print(f"{sys.argv[1]}: {rate:.4f} s a step, {start:.0f} s to begin", file=sys.stderr)
print(max(int(0.92 * (seconds - taken - start) / rate), 20))
PY
)
    more+=(--set "loop.steps=$steps")
  fi
  local left=$(( seconds - $(date +%s) + begun ))
  timeout --signal=INT --kill-after=20 "$(( left > 20 ? left : 20 ))" \
    "$python" -m cantilena train "${more[@]}" --run "$run" || rc=$? # SIGINT lets it save
  echo "$name: ended with $rc after $(( $(date +%s) - begun )) s"
  [ "$rc" -eq 0 ] || [ "$rc" -eq 124 ]
}

lane() { for one in $1; do stage "$one" || return; done; }

train() {
  local from=$1 out=$2; shift 2
  work=${WORK:-$(mktemp -d)}
  mkdir -p "$out" "$work/runs" "$work/probes"
  cat "$from"/data.tar.xz.* | tar -xJ -C "$work"
  if compgen -G "$from/trained.tar.xz.*" > /dev/null; then
    cat "$from"/trained.tar.xz.* | tar -xJ -C "$work"
    mv "$work"/trained/*/ "$work/runs"
    rm -r "$work/trained"
  fi
  local pids=() k=0
  for one in "$@"; do
    lane "$one" > "$work/lane-$k.log" 2>&1 & pids+=($!); k=$(( k + 1 ))
  done
  for pid in "${pids[@]}"; do wait "$pid" || echo "a lane failed"; done
  for log in "$work"/lane-*.log; do echo "== $log"; tr '\r' '\n' < "$log" | tail -n 12; done
  "$python" - "$work/runs" "$work/trained" "${WHOLE:-}" <<'PY'
import json, pathlib, shutil, sys
import torch
from safetensors.torch import load_file, save_file
runs, out, whole = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
for run in sorted(runs.iterdir()):
    steps = sorted(run.glob("step-*/run.json"))
    if not steps:
        continue
    newest, to = steps[-1].parent, out / run.name
    (to / newest.name).mkdir(parents=True)
    for name in ("metrics.jsonl", "latent.npz"):
        if (run / name).exists():
            shutil.copy(run / name, to)
    if whole:
        shutil.copytree(newest, to / newest.name, dirs_exist_ok=True)
        continue
    shutil.copy(newest / "run.json", to / newest.name)
    best = newest / "average.safetensors"
    files = {best if best.exists() else newest / "weights.safetensors": to / newest.name / "average.safetensors"}
    files |= {old: to / "averages" / old.name for old in run.glob("averages/*.safetensors")}
    for old, new in files.items():
        new.parent.mkdir(exist_ok=True)
        exact = run.name in ("vae", "decoder")  # latents are named by the encoder's numbers
        save_file({k: v if exact or not v.is_floating_point() else v.half() for k, v in load_file(old).items()}, new)
PY
  cp "$work"/lane-*.log "$work/trained"
  tar -c -C "$work" trained | xz -T0 -1 | split -b "$piece" -d - "$out/trained.tar.xz."
  ls -l "$out"
}

case "${1:-}" in
  pack) shift; pack "$@" ;;
  train) shift; train "$@" ;;
  *) sed -n '2,22p' "$0"; exit 2 ;;
esac
