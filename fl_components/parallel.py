"""Work in a pool whose results are used one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item],
              ahead: int) -> Iterator[Result]:
    """`map` in a pool, in order, never more than `ahead` results before what is used.

    `Executor.map` begins everything at once: where a result is a volume and its use slower than its making, memory
    grows with the number of items.
    """
    under_way: deque[Future[Result]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) > ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
