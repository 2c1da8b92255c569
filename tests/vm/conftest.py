"""The tests of suite/ are a guest's: without one they are skipped."""

import os
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parent / "suite"


def pytest_collection_modifyitems(config, items):
    if os.environ.get("KENRO_GUEST") or config.pluginmanager.hasplugin("vmhost"):
        return
    for item in items:
        if item.path.parent == SUITE:
            item.add_marker(pytest.mark.skip(reason="runs in a guest: tests/vm/run"))
