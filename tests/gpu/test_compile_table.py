"""The table that `make gpu-compile` writes."""

from types import SimpleNamespace

from tests.gpu import compile
from tests.page import read_section, table_rows, write_section

TOOLKIT = SimpleNamespace(parts={"nvcc": SimpleNamespace(name="nvcc", version="13.0.88")})


def table(results, page, only=""):
    args = SimpleNamespace(only=only, report=False, out=str(page), arch="90")
    text = compile.table(results, TOOLKIT, args)
    write_section(str(page), "gpu-compile", text)
    return text


def test_a_part_replaces_its_rows_and_keeps_the_others(tmp_path):
    page = tmp_path / "page.md"
    table(
        [
            {"name": "one", "seconds": 1.0, "error": "", "day": "2026-01-01"},
            {"name": "two", "seconds": 2.0, "error": "CompileError: no", "day": "2026-01-01"},
        ],
        page,
    )
    assert "1 of 2 checks passed" in page.read_text()
    text = table([{"name": "two", "seconds": 3.0, "error": "", "day": "2026-01-02"}], page, only="two")
    assert text.splitlines()[0].startswith("Compiled through Jittor for sm_90, no GPU: 2 of 2 checks passed.")
    assert text.splitlines()[-2:] == ["| one | yes | 1.0 | 2026-01-01 |", "| two | yes | 3.0 | 2026-01-02 |"]
    assert table_rows(read_section(str(page), "gpu-compile"), 1).keys() == {("one",), ("two",)}


def test_a_full_run_starts_anew(tmp_path):
    page = tmp_path / "page.md"
    table([{"name": "gone", "seconds": 1.0, "error": "", "day": "2026-01-01"}], page)
    assert "gone" not in table([{"name": "new", "seconds": 1.0, "error": "", "day": "2026-01-02"}], page)


def test_no_section_has_no_rows(tmp_path):
    assert read_section(None, "x") == "" and read_section(str(tmp_path / "none"), "x") == ""
    assert table_rows("text\n| a | b |\n| --- | --- |\n| 1 | 2 |\n", 2) == {("1", "2"): "| 1 | 2 |"}
