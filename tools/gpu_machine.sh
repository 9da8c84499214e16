#!/usr/bin/env bash
# Everything that is to be run on a GPU, as one command on a machine that has a driver and Python but no network.
#
#   here:  tools/gpu_machine.sh carry 3.12     builds build/gpu_carry: wheels for that Python (31 MB; without oneDNN,
#                                              which is 65 MB: the CPU's side of the comparison is slow there)
#   there: tools/gpu_machine.sh run [OUT [STEP ...]]   from the same checkout with build/gpu_carry in it; writes to OUT
#
# What is compiled stays in build/gpu_home, so that a run that was cut off goes on quickly. Steps: doctor gpu_check
# jittor_basics operators training mini_row (default: all, in this order).
#
# There, CUDA 13 comes from a toolkit, from NVIDIA's wheels beside Python, or from both; g++ and Python.h are needed.
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
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  # The system's packages stay visible: NVIDIA's libraries and PyTorch with torchvision, which gpu_check.py compares with.
  python3 -m venv --without-pip --system-site-packages "$venv"
  python=$venv/bin/python
  python3 -m pip --python "$python" install --quiet --no-index --no-deps "$carry"/*.whl || return 1
  export PYTHONPATH=$PWD:$PWD/tools JITTOR_HOME=$PWD/build/gpu_home HOME=$PWD/build/gpu_home
  mkdir -p "$HOME"
  step() { # name, command: its output goes to OUT/name.txt, and the next step follows whatever comes of it
    local name=$1 begin=$SECONDS
    shift
    [[ $steps =~ ^\ *$ || $steps == *" $name "* ]] || return 0
    "$@" >"$out/$name.txt" 2>&1
    local code=$?
    [ $code = 0 ] || failed=1
    echo "$name: exit code $code, $((SECONDS - begin)) s"
  }
  step doctor "$python" -c "import sys; from jsra.cli import main; sys.exit(main(['doctor']))"
  [ -f "$out/doctor.txt" ] && cat "$out/doctor.txt"
  # First without Jittor: the kernels alone, against PyTorch and torchvision.
  step gpu_check "$python" tools/gpu_check.py
  step jittor_basics "$python" tools/gpu_check_jittor.py --only "^jittor"
  step operators "$python" tools/gpu_check_jittor.py --only "^jsra.ops"
  step training "$python" tools/gpu_check_jittor.py --only "losses|iterations"
  step mini_row "$python" tools/gpu_check_jittor.py --only "mini table" --table
  return $failed
}

case ${1:-} in
  carry | run) "$@" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
