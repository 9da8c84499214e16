"""The names in pictures: letters that a font has, and numbers for the others."""

import numpy as np
import pytest

from jsra.visualize import fonts
from jsra.visualize.detections import draw_detections
from jsra.visualize.fonts import lettering


@pytest.fixture
def only(monkeypatch):
    """A function that leaves the machine with these fonts."""

    def leave(*files):
        monkeypatch.setattr(fonts, "_files", lambda: files)
        fonts._best.cache_clear()

    yield leave
    fonts._best.cache_clear()


def deja_vu():
    matplotlib = pytest.importorskip("matplotlib")
    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"


def drawn(name):
    found = dict(boxes=np.array([[50, 50, 150, 110]], np.float32), scores=[0.9], labels=[1], names=[name])
    return draw_detections(np.full((120, 300, 3), 128, np.uint8), found)


def test_letters_of_other_alphabets_are_drawn(only):
    """With Pillow's own font all of them are the same square."""
    only("no-such-font.ttf", deja_vu())
    names = ["Stra\u00dfe", "Strase", "\u041a\u043e\u0442", "\u041f\u0451\u0441", "\u732b", "\u72d7"]
    pictures = [drawn(name).tobytes() for name in names]
    assert len(set(pictures)) == len(names)
    assert lettering("Stra\u00dfe 0.90", 12)[1] == "Stra\u00dfe 0.90"


def test_letters_that_no_font_has_become_numbers(only):
    only(deja_vu())
    assert lettering("\u732b \u00fc 0.90", 12)[1] == "\\u732b \u00fc 0.90"
    only()
    assert lettering("\u732b \u00fc 0.90", 12)[1] == "\\u732b \\xfc 0.90"


@pytest.mark.parametrize("letter", ["\x85", "\u2029", "\x1c", "\r"])
def test_letters_that_end_a_line(only, letter):
    """Pillow raises for them in a font with other alphabets; \x85 is what is left of an ellipsis of Windows."""
    only(deja_vu())
    drawn(f"cat{letter}")
    drawn(f"\u041a\u043e\u0442{letter}")
    assert ascii(letter)[1:-1].replace("\\r", "\\x0d") in lettering(f"\u041a{letter}", 12)[1]


def test_english_is_drawn_with_the_font_of_pillow(only):
    only(deja_vu())
    font, text = lettering("cat 0.90", 12)
    assert text == "cat 0.90" and font.getname()[0] != "DejaVu Sans"
