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
            finished = wait(waiting, return_when=FIRST_COMPLETED).done
            for done in sorted(finished, key=_ends_all):  # what was finished beside Ctrl-C is kept
                item = waiting.pop(done)
                error = done.exception()
                if isinstance(error, Exception):
                    yield item, error
                else:
                    yield item, done.result()
        is_through = True
    finally:
        if not is_through:
            stop()
        pool.shutdown(cancel_futures=True)


def _ends_all(done: Future[_Result]) -> bool:
    return isinstance(done.exception(), BaseException) and not isinstance(done.exception(), Exception)
