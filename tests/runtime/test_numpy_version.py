"""With NumPy 2, importing Jittor is refused with the cure; what does not need Jittor runs."""

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_numpy_2_is_refused():
    done = run("import numpy; numpy.__version__ = '2.1.3'; import jsra; print('jsra is there'); import jsra.ops")
    assert done.returncode == 1 and done.stdout == "jsra is there\n"
    message = done.stderr.splitlines()[-1]
    assert "NumPy 2.1.3" in message and "pip install 'numpy<2'" in message


def test_commands_say_it_in_one_line():
    code = (
        "import numpy; numpy.__version__ = '2.1.3'; from jsra.cli import main;"
        "raise SystemExit(main(['cost', 'jdet_configs/faster_rcnn_r50_fpn_sra_1x_coco.py']))"
    )
    done = run(code)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("jsra cost: NumPy 2.1.3")
    assert run(code.replace("'cost', 'jdet_configs/faster_rcnn_r50_fpn_sra_1x_coco.py'", "'doctor'")).returncode == 0
