from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fl_components.parallel import map_ahead


@pytest.mark.parametrize("ahead", [0, 1, 3, 100])
def test_it_is_map(ahead: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(map_ahead(pool, lambda item: item * item, range(20), ahead)) == [item * item for item in range(20)]


def test_no_more_is_begun_than_may_be_ahead() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            begun.append(item)
            yield item

    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, lambda item: item, items(), 5)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        assert len(begun) == 8


def test_an_error_comes_where_its_result_would() -> None:
    failed = threading.Event()

    def work(item: int) -> int:
        if item == 2:
            failed.set()
            raise ValueError("two")
        return item

    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, work, range(9), 4)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)
    assert failed.is_set()
