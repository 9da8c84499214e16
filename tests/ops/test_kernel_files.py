"""A kernel is compiled with a copy of its files that is named by their content, wherever they come from."""
import os

import jittor as jt

from jsra import resources
from jsra.ops import kernel_files, roi_levels

HEADER = '#include "common/list.h"\n#include "op/cpu.h"\n'


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


FILES = {
    "common/list.h": "// list\n",
    "common/other.h": "// other\n",
    "op/cpu.h": '#pragma once\n#include <cmath>\n# include "op/math.h"\n',
    "op/math.h": '#include "common/list.h"  // twice\n#include "no/such.h"\nint x;\n',
    "another_op/cpu.h": "int y;\n",
}


def path(source, cache):
    kernel_files.include_path.cache_clear()
    return kernel_files.include_path(HEADER, source, str(cache))


def test_two_folders_with_equal_files_share_a_copy_of_what_the_kernel_includes(tmp_path):
    places = [path(write(tmp_path / name, FILES), tmp_path / "cache") for name in ("one", "two")]
    assert places[0] == places[1] and os.path.dirname(places[0]) == str(tmp_path / "cache" / "jsra_kernels")
    found = {os.path.relpath(os.path.join(f, n), places[0]) for f, _, names in os.walk(places[0]) for n in names}
    assert found == {"common/list.h", "op/cpu.h", "op/math.h"}
    assert open(os.path.join(places[0], "op/math.h")).read() == FILES["op/math.h"]
    assert os.listdir(tmp_path / "cache" / "jsra_kernels") == [os.path.basename(places[0])]


def test_only_a_change_of_what_it_includes_is_another_folder(tmp_path):
    source = write(tmp_path / "source", FILES)
    first = path(source, tmp_path)
    write(tmp_path / "source", {"another_op/cpu.h": "int z;\n", "common/other.h": "// changed\n"})
    assert path(source, tmp_path) == first
    write(tmp_path / "source", {"op/math.h": "int changed;\n"})
    assert path(source, tmp_path) != first


def test_without_a_place_for_the_copy_the_source_is_used(tmp_path):
    source = write(tmp_path / "source", FILES)
    (tmp_path / "cache").write_text("a file")
    assert path(source, tmp_path / "cache") == source


def test_the_command_of_another_checkout_is_the_same(tmp_path, monkeypatch):
    """Else Jittor compiles the operator again."""
    os.symlink(resources.folder("cuda_src"), tmp_path / "other")
    options = []
    for source in (resources.folder("cuda_src"), str(tmp_path / "other")):
        monkeypatch.setattr(resources, "folder", lambda name, source=source: source)
        out = roi_levels(jt.array([[0.0, 0.0, 0.0, 224.0, 224.0]]), 4)
        options.append(out.compile_options)
    assert options[0] == options[1] and str(tmp_path) not in str(options)
