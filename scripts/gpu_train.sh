#!/usr/bin/env bash
# Train open-64 on a machine with a GPU, in runs of a few minutes that go on where the last one stopped.
#
#   scripts/gpu_train.sh pack  TUNES_NPZ PACK_DIR            pack the tunes (and earlier runs) into files under 16 MB
#   scripts/gpu_train.sh train PACK_DIR OUT_DIR MINUTES      unpack, go on with VAE, decoder and denoiser, pack the runs
#
# `train` needs no network, but PyTorch, NumPy, safetensors, onnx, onnxruntime, typer, rich, msgspec, symusic and this
# tree. Stages follow each other: the VAE until VAE_STEPS, its decoder alone until DECODER_STEPS (latents keep their
# meaning), the denoiser until DENOISER_STEPS. Of a stage that is done only the averaged weights go back.
# OUT_DIR then holds runs.tar.xz.NN pieces of at most 15 MB; put them into PACK_DIR to go on with another call.
# The rate is constant until the last share of a run's steps, so DENOISER_STEPS may be set anew in a later call, when it
# is known how many steps a minute has. LOOP="--set loop.compile=true" is worth a try: small kernels wait for Python.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
piece=${PIECE:-15000000}

VAE_STEPS=${VAE_STEPS:-5000} VAE_BATCH=${VAE_BATCH:-1024}
DECODER_STEPS=${DECODER_STEPS:-1500}
DENOISER_STEPS=${DENOISER_STEPS:-20000} DENOISER_BATCH=${DENOISER_BATCH:-512}
VAE=${VAE:-}             # more settings of VAE and decoder
DENOISER=${DENOISER:-}   # and of the denoiser, such as "--set network.width=256"
LOOP=${LOOP:-}           # settings of every stage, such as "--set loop.compile=true"

pack() { # tunes.npz, and runs where there are some, as pieces
  local tunes=$1 out=$2
  mkdir -p "$out"
  rm -f "$out"/tunes.npz.xz.*
  xz -T0 -3 -c "$tunes" | split -b "$piece" -d - "$out/tunes.npz.xz."
  du -sh "$out"
}

train() {
  local from=$1 out=$2 minutes=$3 work begun
  begun=$(date +%s)
  work=${WORK:-$(mktemp -d)}
  mkdir -p "$out" "$work/runs"
  [ -f "$work/tunes.npz" ] || cat "$from"/tunes.npz.xz.* | xz -dc > "$work/tunes.npz"
  if compgen -G "$from/runs.tar.xz.*" > /dev/null; then cat "$from"/runs.tar.xz.* | tar -xJ -C "$work"; fi
  left() { echo $(( minutes * 60 - ($(date +%s) - begun) )); }
  stage() { # name of the run, its arguments; 0 when it is done
    local run=$work/runs/$1 rc=0; shift
    [ -f "$run/done" ] && return 0
    [ "$(left)" -gt 40 ] || return 1
    # SIGINT lets it save; what is left is for packing
    timeout --signal=INT --kill-after=30 "$(( $(left) - 30 ))" \
      "$python" -m cantilena train "$@" --corpus "$work/tunes.npz" --run "$run" $LOOP || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 124 ] || return "$rc"
    "$python" - "$run" <<'PY'
import json, pathlib, sys
run = pathlib.Path(sys.argv[1])
meta = json.loads(max(run.glob("step-*/run.json")).read_text())
if meta["step"] >= meta["loop"]["steps"]:
    (run / "done").touch()
print(f"{run.name}: step {meta['step']} of {meta['loop']['steps']}")
PY
    [ -f "$run/done" ]
  }
  { stage vae vae "$here/recipes/open_vae.toml" --set loop.steps="$VAE_STEPS" --set loop.batch="$VAE_BATCH" $VAE &&
    stage decoder vae "$here/recipes/open_vae.toml" --init "$work/runs/vae" --set loss.frozen=true \
      --set loop.lr=1e-3 --set loop.steps="$DECODER_STEPS" --set loop.batch="$VAE_BATCH" $VAE &&
    stage denoiser denoiser "$here/recipes/open.toml" --set tunes.vae="$work/runs/vae" \
      --set loop.steps="$DENOISER_STEPS" --set loop.batch="$DENOISER_BATCH" $DENOISER; } || true
  rm -f "$out"/runs.tar.xz.*
  # sequences are made again from tunes and VAE; of each run the newest checkpoint goes back, of one that is done
  # what is needed of it: the averaged weights
  ( cd "$work"
    for run in runs/*/; do
      newest=$(ls -d "$run"step-* | sort | tail -n 1)
      if [ -f "$run/done" ]; then ls "$newest"/run.json "$newest"/average.safetensors; else echo "$newest"; fi
      ls "$run"{metrics.jsonl,latent.npz,done} 2>/dev/null || true
    done
  ) > "$work/keep"
  tar -c -C "$work" -T "$work/keep" | xz -T0 -2 | split -b "$piece" -d - "$out/runs.tar.xz."
  ls -l "$out"
}

case "${1:-}" in
  pack) shift; pack "$@" ;;
  train) shift; train "$@" ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
