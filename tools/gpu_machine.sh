#!/usr/bin/env bash
# Everything that is to be run on a GPU, as one command on a machine that has a driver and Python but no network.
#
#   here:  tools/gpu_machine.sh carry 3.12     builds build/gpu_carry: wheels for that Python (31 MB; without oneDNN,
#                                              which is 65 MB: the CPU's side of the comparison is slow there)
#   there: tools/gpu_machine.sh run [OUT [STEP ...]]   from the same checkout with build/gpu_carry in it; writes to OUT
#
# Steps: doctor, jittor (its own operators), float32, training (losses of the CPU, flat memory), speed (operators next to
# torchvision's, a training step), half (operators in 16 bits), mini_row (trains a row of the mini table: many minutes).
# Default: all but the last, in this order. What is compiled stays in build/gpu_home, so that a run that was cut off goes on
# quickly: with 15 minutes, give doctor, jittor and float32 first.
#
# There, CUDA 13 comes from a toolkit, from NVIDIA's wheels next to Python, or from both; g++ and Python.h are needed.
# What is missing is named by the first step, `jsra doctor`.
set -uo pipefail
cd "$(dirname "$0")/.."
carry=build/gpu_carry

carry() {
  local version=${1:-3.12} tag
  tag=cp${version/./}
  rm -rf "$carry" && mkdir -p "$carry"
  python3 -m pip wheel --quiet --no-deps --wheel-dir "$carry" jittor==1.3.11.0 astunparse
  python3 -m pip download --quiet --no-deps --dest "$carry" --only-binary=:all: --python-version "$version" \
    --implementation cp --abi "$tag" --abi abi3 --abi none --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
    numpy==1.26.4 pillow tqdm six packaging wheel setuptools safetensors pycocotools pyyaml \
    pytest pluggy iniconfig pygments
  du -sh "$carry"
}

run() {
  local out=${1:-build/gpu_results} python venv=$PWD/build/gpu_venv failed=0
  local steps=" ${*:2} "
  [ "$steps" = "  " ] && steps=" doctor jittor float32 training speed half "
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  # The system's packages stay visible: NVIDIA's libraries, and PyTorch with torchvision as the peer.
  python3 -m venv --without-pip --system-site-packages "$venv"
  python=$venv/bin/python
  python3 -m pip --python "$python" install --quiet --no-index --no-deps "$carry"/*.whl || return 1
  export PYTHONPATH=$PWD JITTOR_HOME=$PWD/build/gpu_home HOME=$PWD/build/gpu_home
  mkdir -p "$HOME"
  step() { # name, command: its output goes to OUT/name.txt, and the next step follows whatever comes of it
    local name=$1 begin=$SECONDS
    shift
    [[ $steps == *" $name "* ]] || return 0
    "$@" >"$out/$name.txt" 2>&1
    local code=$?
    [ $code = 0 ] || failed=1
    echo "$name: exit code $code, $((SECONDS - begin)) s: $(tail -n 1 "$out/$name.txt")"
  }
  local tests=("$python" -m pytest --gpu -rs)
  step doctor "$python" -m jsra doctor
  [ -f "$out/doctor.txt" ] && cat "$out/doctor.txt"
  step jittor "${tests[@]}" tests/gpu/test_jittor.py tests/runtime tests/ops/test_kernel.py
  step float32 "${tests[@]}" tests/ops -k "not float16"
  step training "${tests[@]}" -s tests/gpu/test_training.py
  step speed "$python" -m jsra bench ops --device cuda --no-sweep --peer "$(command -v python3)"
  step half "${tests[@]}" tests/ops -k float16
  step mini_row "$python" -m jsra table 1 --preset mini --rows sra
  return $failed
}

case ${1:-} in
  carry | run) "$@" ;;
  *) sed -n '2,18s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
