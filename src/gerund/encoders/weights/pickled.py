"""The pickles in PyTorch's files, taken as lists of steps: nothing in them is run, and each step is paid for.

Python's own unpickler allocates what a pickle asks for: a memo of any size, containers by the million, keys whose hash
takes years. Here the steps that tensors in dicts need are followed one by one, with a bound on what they may make; any
other step, and any name that is not on the reader's list, is refused.
"""

from __future__ import annotations

import pickletools
import reprlib
from collections.abc import Callable
from typing import IO, Any

from gerund.reading import DamageError

_STEP_BYTES = 64
_MADE_BYTES = {"REDUCE": 640, "NEWOBJ": 192, "SETITEM": 128, "GLOBAL": 128, "STACK_GLOBAL": 128, "BINPERSID": 256}
"""About what a step makes Python allocate, in bytes; all others count as `_STEP_BYTES`."""

_FREE_BYTES = 8 << 20
_LONGEST_KEY = 16
_NUMBERS = ("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_OTHERS = ("FLOAT", "BINFLOAT", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
_VALUES = frozenset((*_NUMBERS, *_TEXTS, *_OTHERS))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEYS = (str, int, float, bytes, type(None))


class Module:
    """Stands for every class of a TorchScript archive: it holds attributes and does nothing."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}


class Steps:
    """Follows pickles that lie one behind the other in a file.

    Args:
        file: where they are; its `read` must give no more than is there.
        size_bytes: of all that the tensors in them stand for; what may be made grows with it.
        find: from a module and a name to what stands for them: a function, `Module`, or a name of storages.
        tensor_storage: from the identity of a storage to its numbers.
    """

    def __init__(
        self,
        file: IO[bytes],
        size_bytes: int,
        find: Callable[[str, str], Any],
        tensor_storage: Callable[[Any], Any],
    ) -> None:
        self._file = file
        self._left_bytes = _FREE_BYTES + 4 * size_bytes
        self._find = find
        self._tensor_storage = tensor_storage

    def load(self) -> Any:
        """What the next pickle holds.

        Raises:
            DamageError: it asks for a step or a name that tensors do not need, or for more than is allowed.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        for opcode, argument, _ in pickletools.genops(self._file):
            name = opcode.name
            self.pay(_MADE_BYTES.get(name, _STEP_BYTES))
            if name == "STOP":
                return self._stack.pop()
            if name in _VALUES:
                self._stack.append(_CONSTANTS.get(name, argument))
            else:
                step = _STEPS.get(name)
                if step is None:
                    raise DamageError(f"its pickle takes the step {name}, which tensors do not need")
                step(self, argument)
        raise DamageError("its pickle ends in the middle")

    def pay(self, size_bytes: int) -> None:
        """Counts what is about to be made.

        Raises:
            DamageError: it is more than a file of this size may make.
        """
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise DamageError("its pickle makes far more than such tensors need")

    def _above_mark(self) -> list[Any]:
        place = self._marks.pop()
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def _pop(self, count: int) -> list[Any]:
        if count > len(self._stack) - (self._marks[-1] if self._marks else 0):
            raise DamageError("its pickle takes more than it has put down")
        items = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return items

    def _drop(self, items: list[Any]) -> None:
        items.clear()

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _empty(self, kind: type) -> None:
        self._stack.append(kind())

    def _tuple(self, count: int | None) -> None:
        self._stack.append(tuple(self._above_mark() if count is None else self._pop(count)))

    def _list(self, _: Any) -> None:
        self._stack.append(self._above_mark())

    def _dict(self, _: Any) -> None:
        items = self._above_mark()
        self._stack.append({})
        self._set(items)

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise DamageError(f"its pickle appends to a {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise DamageError(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            parts = key if isinstance(key, tuple) else (key,)
            if len(parts) > _LONGEST_KEY or not all(isinstance(part, _KEYS) for part in parts):
                raise DamageError(f"its pickle has a key {reprlib.repr(key)}")
            self.pay(_MADE_BYTES["SETITEM"])
            target[key] = value

    def _put(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._find(module, name))

    def _stack_global(self, _: Any) -> None:
        module, name = self._pop(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise DamageError("its pickle asks for something without a name")
        self._stack.append(self._find(module, name))

    def _persistent(self, _: Any) -> None:
        self._stack.append(self._tensor_storage(self._pop(1)[0]))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._pop(2)
        if isinstance(function, str | type) or not callable(function) or not isinstance(arguments, tuple):
            raise DamageError(f"its pickle calls a {type(function).__name__}")
        self.pay(sum(_MADE_BYTES["SETITEM"] * len(item) for item in arguments if isinstance(item, list | tuple)))
        self._stack.append(function(*arguments))

    def _new(self, _: Any) -> None:
        kind, arguments = self._pop(2)
        if kind is not Module or arguments != ():
            raise DamageError("its pickle makes an object that is none of TorchScript's")
        self._stack.append(Module())

    def _build(self, _: Any) -> None:
        """Gives a module its attributes; what PyTorch hangs on dicts beside their items is left out."""
        (state,) = self._pop(1)
        target = self._stack[-1]
        if isinstance(target, Module):
            target.state = state if isinstance(state, dict) else {}
        elif type(target) is not dict:
            raise DamageError("its pickle tries to alter a function")


_STEPS: dict[str, Callable[[Steps, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda steps, _: None),
    "MARK": Steps._mark,
    "POP": lambda steps, _: steps._drop(steps._pop(1)),
    "POP_MARK": lambda steps, _: steps._drop(steps._above_mark()),
    "EMPTY_LIST": lambda steps, _: steps._empty(list),
    "EMPTY_DICT": lambda steps, _: steps._empty(dict),
    "EMPTY_TUPLE": lambda steps, _: steps._empty(tuple),
    "TUPLE": lambda steps, _: steps._tuple(None),
    "TUPLE1": lambda steps, _: steps._tuple(1),
    "TUPLE2": lambda steps, _: steps._tuple(2),
    "TUPLE3": lambda steps, _: steps._tuple(3),
    "LIST": Steps._list,
    "DICT": Steps._dict,
    "APPEND": lambda steps, _: steps._append(steps._pop(1)),
    "APPENDS": lambda steps, _: steps._append(steps._above_mark()),
    "SETITEM": lambda steps, _: steps._set(steps._pop(2)),
    "SETITEMS": lambda steps, _: steps._set(steps._above_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Steps._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Steps._get),
    "GLOBAL": Steps._global,
    "STACK_GLOBAL": Steps._stack_global,
    "BINPERSID": Steps._persistent,
    "REDUCE": Steps._reduce,
    "NEWOBJ": Steps._new,
    "BUILD": Steps._build,
}
