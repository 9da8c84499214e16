"""Finds the folders that come with the package: inside it (installed wheel) or next to it (checkout)."""
import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def folder(name: str) -> str:
    """The absolute path of a folder that comes with the package, 'cuda_src' or 'jdet_configs'.

    Raises FileNotFoundError if the installation is incomplete.
    """
    places = [os.path.join(_PACKAGE, name), os.path.join(os.path.dirname(_PACKAGE), name)]
    for place in places:
        if os.path.isdir(place):
            return place
    raise FileNotFoundError(f"jsra's folder {name!r} is in neither of {places}: reinstall jsra (pip install .)")
