import pytest


@pytest.fixture
def bare(tmp_path):
    """A peer that has none of the programs."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho '{\"programs\": {}}'\n")
    path.chmod(0o755)
    return str(path)
