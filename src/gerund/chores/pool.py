"""Several pieces of work at once, in threads that wait for processes or servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def each(
    items: Iterable[_Item], work: Callable[[_Item], _Result], *, at_once: int, stop: Callable[[], None]
) -> Iterator[tuple[_Item, _Result | Exception]]:
    """Does a piece of work for each item, several at once; one that fails costs itself.

    Args:
        items: taken as they are needed, a few ahead.
        work: done in threads.
        at_once: how many at most.
        stop: makes work that is under way end soon; called when the results are left before the last of them.

    Yields:
        Each item with what its work gave or the error that it met, in the order in which they are ready.
    """
    todo = iter(items)
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="chore")
    waiting: dict[Future[_Result], _Item] = {}
    is_through = False
    try:
        while True:
            for item in islice(todo, 2 * at_once - len(waiting)):
                waiting[pool.submit(work, item)] = item
            if not waiting:
                break
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                item = waiting.pop(done)
                error = done.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield item, error if error is not None else done.result()
        is_through = True
    finally:
        if not is_through:
            stop()
        pool.shutdown(cancel_futures=True)
