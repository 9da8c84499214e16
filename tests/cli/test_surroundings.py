"""A full disk, a closed pipe, a terminal without some characters: a one-line message, and no incomplete files."""

import errno
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jsra.cli import BROKEN_PIPE, main
from jsra.convert.files import write_weights
from jsra.output import (
    check_folder,
    cure,
    json_text,
    output_file,
    pyplot,
    save_figure,
    whole_or_not,
    write_json,
    write_picture,
)
from jsra.registry import ConfigError
from tests.data.tiny import CATEGORIES, write_coco

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def jsra(*arguments, **options):
    command = [sys.executable, "-m", "jsra", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output="stdout" not in options, text=True, timeout=120, **options)


@pytest.fixture
def config(tmp_path):
    categories = [*CATEGORIES[:2], {"id": 30, "name": "人\udce9"}]  # a Chinese name, and a byte that is no UTF-8
    path = tmp_path / "c.py"
    place = write_coco(str(tmp_path), categories=categories)
    path.write_text(f"dataset = dict(train=dict(type='COCODataset', use_anno_cats=True, **{place!r}))\nwork_dir = 'w'")
    return str(path)


def test_a_reader_that_goes_away():
    run = subprocess.Popen([sys.executable, "-m", "jsra", "table"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.close()
    assert run.stderr.read() == b"" and run.wait(60) == BROKEN_PIPE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("argument", ["table", "--help", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_on_a_full_disk(monkeypatch, argument, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        run = jsra(argument, stdout=full, stderr=subprocess.PIPE)
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "there is no room on the disk" in run.stderr


def test_closed_streams(config, tmp_path):
    """As in a service: no file of the command may get the number of a closed stream, where others print."""
    command = [sys.executable, "-m", "jsra", "data", "browse", config, "--out", str(tmp_path / "out")]
    run = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command], cwd=ROOT, timeout=120)
    assert run.returncode == 0 and os.listdir(tmp_path / "out")


def test_file_names_that_the_locale_lacks(config):
    with open(config, "a", encoding="utf8") as f:
        f.write("\nwork_dir = '人'")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = jsra("data", "browse", config, env={**os.environ, **ascii_only})
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "set PYTHONUTF8=1" in run.stderr, run.stderr


def test_pictures_that_the_locale_lacks(tmp_path):
    """All were left out, "is not in" the folder, and there were "no annotations in a known format"."""
    place = write_coco(str(tmp_path / "data"))
    with open(place["anno_file"]) as f:
        content = json.load(f)
    for image in content["images"]:
        name = f"ä{image['file_name']}"
        os.rename(os.path.join(place["root"], image["file_name"]), os.path.join(place["root"], name))
        image["file_name"] = name
    with open(place["anno_file"], "w") as f:
        json.dump(content, f)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = jsra("init", str(tmp_path / "data"), str(tmp_path / "out"), env={**os.environ, **ascii_only})
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "set PYTHONUTF8=1" in run.stderr, run.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_that_the_terminal_lacks(config, tmp_path, encoding):
    with open(tmp_path / "annotations.json") as f:
        content = json.load(f)
    content["categories"].append({"id": 31, "name": content["categories"][2]["name"]})
    with open(tmp_path / "annotations.json", "w") as f:
        json.dump(content, f)
    run = jsra("data", "check", config, env={**os.environ, "PYTHONIOENCODING": encoding, "LANG": "C", "LC_ALL": "C"})
    assert run.returncode == 1 and "is listed twice" in run.stdout and run.stderr == ""


def test_a_full_disk_in_a_command(config, tmp_path, capsys, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    monkeypatch.setattr(Image.Image, "save", full)
    assert main(["data", "browse", config, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("jsra data: [Errno 28]") and "free some, or write to another folder" in error


def test_a_read_only_place(config, tmp_path, capsys, monkeypatch):
    def read_only(path, *args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "makedirs", read_only)
    assert main(["data", "browse", config, "--out", str(tmp_path / "out")]) == 2
    assert "cannot be written to; choose another folder" in capsys.readouterr().err


def test_a_file_where_a_folder_is_needed(tmp_path):
    """As the commands say it if it was not found at the start."""
    (tmp_path / "a").write_text("")
    for place in ("a", "a/b"):
        with pytest.raises(OSError) as error:
            os.makedirs(tmp_path / place)
        assert cure(error.value) == ": a file has the name of a folder that is needed; choose another folder"


def test_a_current_folder_that_was_removed(config, tmp_path, capsys, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["config", config]) == 2
    assert capsys.readouterr().err == "jsra config: the current folder was removed, or moved: change to another (cd)\n"


def test_ctrl_c_is_no_traceback(config, capsys, monkeypatch):
    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "loads", stopped)
    assert main(["data", "check", config]) == 130
    assert capsys.readouterr().err == "jsra data: interrupted\n"


def limited(function, size=2000):
    """Call function where no file may grow beyond `size` bytes, as on a full disk."""
    import signal

    handler, before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        return function()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_files_are_written_whole_or_not_at_all(tmp_path):
    import numpy as np

    write_json(str(tmp_path / "a.json"), [1])
    with pytest.raises(OSError, match="large"):
        limited(lambda: write_json(str(tmp_path / "a.json"), list(range(5000))))
    for name in ("a.safetensors", "a.pth", "a.npz", "a.pkl"):
        with pytest.raises(OSError, match="large|Errno 27|requested"):
            limited(lambda name=name: write_weights(tmp_path / name, {"x": np.zeros(5000, np.float32)}))
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"] and (tmp_path / "a.json").read_text() == "[\n 1\n]"


def test_two_processes_write_the_same_file(tmp_path):
    """Such as `jsra analyze` twice: one ended with "No such file or directory: ...unfinished", or the contents were mixed."""
    path = str(tmp_path / "a.json")
    with whole_or_not(path) as unfinished, open(unfinished, "w") as f:
        f.write("[1")
        other = f"from jsra.output import write_json; write_json({path!r}, list(range(9)))"
        subprocess.run([sys.executable, "-c", other], cwd=ROOT, check=True, timeout=60)
        f.write("]")
    assert os.listdir(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_text() == "[1]"


def test_pictures_are_written_whole_and_not_through_links(tmp_path):
    import numpy as np

    (tmp_path / "input.jpg").write_bytes(b"precious")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "input.jpg")
    pixels = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    path = write_picture(str(tmp_path / "a.jpg"), pixels, quality=92)
    assert (tmp_path / "input.jpg").read_bytes() == b"precious" and Image.open(path).size == (90, 90)
    with pytest.raises(OSError, match="large|Errno 27"):
        limited(lambda: write_picture(str(tmp_path / "b.png"), pixels))
    assert sorted(os.listdir(tmp_path)) == ["a.jpg", "input.jpg"]


def test_figures_are_written_whole_and_not_through_links(tmp_path):
    pytest.importorskip("matplotlib", reason="draws figures: pip install matplotlib")
    (tmp_path / "input.png").write_bytes(b"precious")
    (tmp_path / "a.png").symlink_to(tmp_path / "input.png")
    for name in ("a.png", "B.SVG"):
        save_figure(pyplot().subplots()[0], str(tmp_path / name))
    assert (tmp_path / "input.png").read_bytes() == b"precious" and Image.open(tmp_path / "a.png").width > 100
    assert "<svg" in (tmp_path / "B.SVG").read_text() and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("command", ["masks c.py w {} --out {}", "convert {} {}"])
def test_a_result_is_never_its_own_input(tmp_path, capsys, command):
    name = "a.png" if "masks" in command else "a.safetensors"
    path = str(tmp_path / name)
    Image.new("RGB", (40, 30)).save(path, format="PNG")
    before, link = (tmp_path / name).read_bytes(), str(tmp_path / f"link_{name}")
    os.symlink(path, link)
    for source, target in ((path, path), (link, link), (link, path), (path, link)):
        assert main(command.format(source, target).split()) == 2
        assert "is the input file itself, which would be overwritten: choose another name" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == before and os.path.islink(link)


@pytest.mark.parametrize("what", ["ops", "roi", "model"])
def test_where_a_benchmark_writes_is_checked_at_the_start(tmp_path, capsys, what):
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path, "is a folder: give a file in it"), (tmp_path / "file" / "x.json", "leads through a file")):
        assert main(["bench", what, "--only", "nothing", "--json", str(path)]) == 2
        assert f"--json {path}" in (said := capsys.readouterr()).err and words in said.err and not said.out


def test_a_folder_of_results_that_is_a_file(tmp_path):
    (tmp_path / "x").write_text("precious")
    for place in ("x", "x/", "x/new", "x/new/deeper/"):
        with pytest.raises(ConfigError, match="--out: .*/x is a file: name a folder"):
            check_folder(str(tmp_path / place), [])
    os.symlink(tmp_path / "gone", tmp_path / "link")
    with pytest.raises(ConfigError, match="/link is a link to nothing: name a folder"):
        check_folder(str(tmp_path / "link" / "new"), [])
    for place in (tmp_path / "new" / "deeper", "new", "new/deeper", "/new"):
        check_folder(str(place), [])


@pytest.mark.parametrize("command", ["train {config} --work-dir {file}", "test {config} w --out {file}/x", "init . {file}/x"])
def test_a_folder_of_results_that_leads_through_a_file_is_said_before_the_work(tmp_path, capsys, command):
    (tmp_path / "file").write_text("precious")
    config = "jdet_configs/mini/puppets_r18_fpn_roi_align.py"
    assert main(command.format(config=config, file=tmp_path / "file").split()) == 2
    assert "file is a file: name a folder" in capsys.readouterr().err


def test_json_has_no_nan():
    nan, inf = float("nan"), float("inf")
    assert json_text({"a": nan, "b": [1.5, (inf, -inf)], "c": {"d": nan}}) == (
        '{"a": null, "b": [1.5, [null, null]], "c": {"d": null}}'
    )
    assert json_text([1.5, "NaN"]) == '[1.5, "NaN"]'
    given = {"a": np.float32(0.5), "b": [np.int64(3), np.float32(nan)], "c": np.arange(2), "d": np.bool_(True)}
    assert json_text(given) == '{"a": 0.5, "b": [3, null], "c": [0, 1], "d": true}'
    assert json_text({np.int64(7): {np.int64(8): 1}}) == '{"7": {"8": 1}}'
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        json_text({1})


def test_a_file_to_write(tmp_path):
    path = str(tmp_path / "new" / "x.png")
    assert output_file(path, (".png",)) == path and os.path.isdir(tmp_path / "new")
    os.makedirs(tmp_path / "elsewhere")
    os.symlink(tmp_path / "new", tmp_path / "elsewhere" / "link")  # link/.. is the folder of new, as for every other program
    write_json(str(tmp_path / "elsewhere" / "link" / ".." / "below" / "a.json"), [1])
    assert (tmp_path / "below" / "a.json").is_file()
    for name, words in (("x", "has no ending: give a file name that ends in .png, .svg"), ("x.gif", "ends in '.gif'")):
        with pytest.raises(ConfigError, match=f"--out {name} {words}"):
            output_file(name, (".png", ".svg"))
    (tmp_path / "file").write_text("")
    for place in ("file", "file/deeper"):
        with pytest.raises(ConfigError, match="is no folder, or leads through a file: choose another"):
            output_file(str(tmp_path / place / "x.png"), (".png",))
    os.mkdir(path)
    with pytest.raises(ConfigError, match="is a folder: give a file in it, such as .*x.png/out.png"):
        output_file(path, (".png",))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["plot", "w", "--out", "x"], "--out x has no ending"),
        (["figure", "--out", "x.txt"], "--out x.txt ends in '.txt'"),
        (["table", "1", "--plot", "x"], "--plot x has no ending"),
        (["diversity", "c.py", "--plot", "x"], "--plot x has no ending"),
        (["convert", "a.pth", "b"], "DST b has no ending"),
        (["data", "vid", "ILSVRC", "p.png/x.json", "--sets", "VID/val"], "OUT p.png/x.json: p.png is no folder, or leads"),
        (["masks", "c.py", "w", "{picture}", "--out", "x"], "--out x has no ending"),
        (["masks", "c.py", "w", "{picture}", "--masks", "1,x"], "--masks '1,x': write numbers of masks"),
        (["masks", "c.py", "w", "{picture}", "--masks=-1"], "--masks '-1'"),
        (["masks", "c.py", "w", "{picture}", "--masks", ""], "masks: the text is empty"),
        (["masks", "c.py", "w", "{picture}", "--boxes", "1,2,3"], "a box is four numbers"),
        (["masks", "c.py", "w", "{picture}", "--boxes", "1,2,nan,9"], "a box is four numbers"),
        (["masks", "c.py", "w", "{picture}", "--boxes", "1,2,inf,9"], "40 x 30 pixels, and this box is not inside it"),
    ],
)
def test_wrong_values_are_found_at_the_start(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30)).save(tmp_path / "p.png")
    arguments = [a.format(picture=tmp_path / "p.png") for a in arguments]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_wrong_arguments_of_one_process_end_all(monkeypatch):
    """A usual end would wait for the others."""
    left = []
    monkeypatch.setattr("jsra.cli.several", lambda: True)
    monkeypatch.setattr("jsra.cli.leave", left.append)
    with pytest.raises(SystemExit):
        main(["train", "a.py", "--no-such-option"])
    assert left == [2]
