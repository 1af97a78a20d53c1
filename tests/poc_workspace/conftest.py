"""The red team runs only when asked for, `make redteam`: it needs minutes, and POC's one port for itself."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "redteam" in config.option.markexpr:
        return
    attacks = [item for item in items if item.get_closest_marker("redteam")]
    config.hook.pytest_deselected(items=attacks)
    items[:] = [item for item in items if item not in attacks]
