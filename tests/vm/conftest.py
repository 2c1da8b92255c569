"""The tests of suite/ are a guest's: without one they are skipped."""

import os

import pytest


def pytest_collection_modifyitems(config, items):
    if os.environ.get("KENRO_GUEST") or config.pluginmanager.hasplugin("vmhost"):
        return
    for item in items:
        if "vm" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="runs in a guest: tests/vm/run"))
