import os

import pytest

from jsra.runtime import onednn


@pytest.fixture
def wheels(monkeypatch, tmp_path):
    """The wheels as they unpack into a prefix; `use_mkl` is restored afterwards."""
    monkeypatch.setenv("use_mkl", "x")
    monkeypatch.delenv("use_mkl")
    prefix = tmp_path / "prefix"
    for path in (
        "include/dnnl.hpp",
        "include/oneapi/dnnl/dnnl.h",
        "include/Python.h",
        "lib/libmkldnn.so.2.2",
        "lib/libdnnl.so.2.2",
    ):
        os.makedirs((prefix / path).parent, exist_ok=True)
        (prefix / path).write_text("")
    found = {"include": str(prefix / "include"), "lib": str(prefix / "lib")}
    monkeypatch.setattr(onednn, "find_wheels", lambda: found)
    return found


def test_links_in_an_empty_home(wheels, tmp_path):
    said = onednn.link(str(tmp_path))
    place = os.path.join(tmp_path, ".cache", "jittor", "mkl", "dnnl_lnx_2.2.0_cpu_gomp")
    assert said == f"2.2 from the wheels in {wheels['lib']}"
    assert sorted(os.listdir(os.path.join(place, "include"))) == ["dnnl.hpp", "oneapi"], (
        "and nothing else of the prefix"
    )
    assert os.path.realpath(os.path.join(place, "lib", "libmkldnn.so")).endswith("libmkldnn.so.2.2")
    assert "use_mkl" not in os.environ


def test_linking_twice_and_from_another_environment(wheels, tmp_path, monkeypatch):
    onednn.link(str(tmp_path))
    assert onednn.link(str(tmp_path)).startswith("2.2 from the wheels")
    elsewhere = tmp_path / "elsewhere"
    os.rename(tmp_path / "prefix", elsewhere)
    found = {"include": str(elsewhere / "include"), "lib": str(elsewhere / "lib")}
    monkeypatch.setattr(onednn, "find_wheels", lambda: found)
    onednn.link(str(tmp_path))
    library = os.path.join(onednn.place(str(tmp_path)), "lib", "libmkldnn.so")
    assert os.path.realpath(library) == str(elsewhere / "lib" / "libmkldnn.so.2.2")


def test_jittors_own_copy_is_left_alone(wheels, tmp_path):
    library = os.path.join(onednn.place(str(tmp_path)), "lib", "libmkldnn.so")
    os.makedirs(os.path.dirname(library))
    with open(library, "w") as f:
        f.write("downloaded")
    assert onednn.link(str(tmp_path)).startswith("Jittor's own")
    assert not os.path.islink(library)


def test_without_wheels_it_is_switched_off_not_downloaded(wheels, tmp_path, monkeypatch):
    monkeypatch.setattr(onednn, "find_wheels", lambda: {})
    assert onednn.link(str(tmp_path)).startswith("missing (pip install onednn-cpu-gomp==2021.2.0")
    assert os.environ["use_mkl"] == "0"


def test_the_users_choice_stands(wheels, tmp_path, monkeypatch):
    monkeypatch.setenv("use_mkl", "0")
    assert onednn.link(str(tmp_path)).startswith("off")
    assert not os.path.exists(onednn.place(str(tmp_path)))
