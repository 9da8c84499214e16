import os
import subprocess
import sys
import warnings

import pytest

from jsra.runtime import headers


@pytest.fixture
def jt():
    import jittor

    if jittor.flags.cc_type != "g++" or jittor.has_cuda or not sys.platform.startswith("linux"):
        pytest.skip("Jittor's headers are compiled once with GCC on Linux only, where Jittor has no CUDA")
    return jittor


@pytest.fixture
def plain(jt, tmp_path):
    """Jittor's flags as they were before, and an empty cache."""
    kept = jt.flags.cc_flags, jt.flags.cache_path
    jt.flags.cc_flags = kept[0].split(headers.OPTION)[0]
    jt.flags.cache_path = str(tmp_path)
    yield jt.flags.cc_flags
    jt.flags.cc_flags, jt.flags.cache_path = kept


def _parsed(jt, tmp_path):
    """The files that GCC parses for a source as Jittor generates them, with Jittor's flags of now."""
    source, rule = tmp_path / "a_op.cc", tmp_path / "a.d"
    source.write_text('#define JIT 1\n#define JIT_cpu 1\n#include "var.h"\njittor::Var* variable;\n')
    command = [jt.flags.cc_path, *headers.compile_flags(jt.flags.cc_flags), "-S", "-MD", "-MF", str(rule), str(source)]
    subprocess.run([*command, "-o", str(tmp_path / "a.s")], check=True)
    return rule.read_text().replace("\\\n", " ").split()[1:]


def test_operators_take_the_parsed_headers(jt, tmp_path):
    header = headers.precompile()
    assert f'-include"{header}"' in jt.flags.cc_flags
    assert [name for name in _parsed(jt, tmp_path) if name.endswith("/var.h")] == []


def test_twice_is_once(jt, plain):
    header = headers.precompile()
    flags = jt.flags.cc_flags
    assert (headers.precompile(), jt.flags.cc_flags) == (header, flags) and flags.count(header) == 1


def test_a_failure_is_named_and_leaves_the_flags(jt, plain, monkeypatch):
    monkeypatch.setattr(headers, "_SYSTEM", ("no_such_header",))
    with pytest.warns(UserWarning, match="no_such_header"):
        assert headers.precompile() is None
    assert jt.flags.cc_flags == plain


def test_without_the_parsed_form_the_text_serves(jt, plain, tmp_path):
    """As where GCC refuses it: another version, or flags of an operator that differ."""
    header = headers.precompile()
    os.remove(f"{header}.gch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed = _parsed(jt, tmp_path)
    assert header in parsed and len([name for name in parsed if name.endswith("/var.h")]) == 1
