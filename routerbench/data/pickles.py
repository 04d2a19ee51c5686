"""Read pickled pandas frames without pandas and without executing anything in the file.

A pickle is a program. RouterBench publishes its tables as pickles of an old pandas version, and many logs are stored as
pickles. This reader runs the program with stand-ins: each global that a frame of texts and numbers needs is replaced by
a class below that only records its call; any other global is refused. The columns are then extracted from these
records, with every step checked; numpy only sees raw bytes of a plain number type.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column
from routerbench.errors import InputError

_ADVICE = "save the table as Parquet (DataFrame.to_parquet) and give that file"
_NUMBER_TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _Record:
    """A recorded call of the pickle: its arguments and the state set afterwards. Has no side effects."""

    __slots__ = ("args", "state")
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> _Record:
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    # Without this method, unpickling would set attributes: harmless on a record, but a lasting change on the class.
    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Frame(_Record):
    """``DataFrame()``, state {"_mgr": _Manager, …}."""

    __slots__ = ()


class _Manager(_Record):
    """``BlockManager(blocks, axes)``: blocks of columns of one type, and the names of columns and rows."""

    __slots__ = ()


class _Block(_Record):
    """``_unpickle_block(values, placement, ndim)``: values (columns, rows), and which columns of the frame they are."""

    __slots__ = ()


class _Partial(_Record):
    """``functools.partial(new_block, ndim=…)``, how pandas 1.3 writes a block; its state names the function."""

    __slots__ = ()

    def __call__(self, *args: Any) -> _Block:
        """Record the call; refuse anything but ``new_block``."""
        if self.args != (_Block,):
            raise TypeError("functools.partial of something that is no block")
        return _Block(*args)


class _NewIndex(_Record):
    """``_new_Index(class, {"data": values, …})``."""

    __slots__ = ()


class _Index(_Record):
    """The class of an index of names or numbers."""

    __slots__ = ()


class _Slice(_Record):
    """``slice(start, stop, step)``."""

    __slots__ = ()


class _Array(_Record):
    """``_reconstruct(ndarray, (0,), b"b")``, state (version, shape, dtype, Fortran order, cells)."""

    __slots__ = ()


class _Buffer(_Record):
    """``_frombuffer(bytes, dtype, shape, order)``."""

    __slots__ = ()


class _ArrayType(_Record):
    """``numpy.ndarray`` itself."""

    __slots__ = ()


class _DType(_Record):
    """``dtype(code, …)``, state (version, byte order, …)."""

    __slots__ = ()


class _Scalar(_Record):
    """``scalar(dtype, bytes)``."""

    __slots__ = ()


_STAND_INS: dict[tuple[str, str], type[_Record]] = {
    ("pandas", "DataFrame"): _Frame,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    ("pandas.core.internals.blocks", "new_block"): _Block,
    ("functools", "partial"): _Partial,
    ("pandas.core.indexes.base", "_new_Index"): _NewIndex,
    ("pandas", "Index"): _Index,
    ("pandas.core.indexes.base", "Index"): _Index,
    ("pandas", "RangeIndex"): _Index,
    ("pandas.core.indexes.range", "RangeIndex"): _Index,
    ("pandas.core.indexes.numeric", "Int64Index"): _Index,
    ("builtins", "slice"): _Slice,
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _DType,
}
for _core in ("numpy.core", "numpy._core"):
    _STAND_INS[(f"{_core}.multiarray", "_reconstruct")] = _Array
    _STAND_INS[(f"{_core}.multiarray", "scalar")] = _Scalar
    _STAND_INS[(f"{_core}.numeric", "_frombuffer")] = _Buffer


def read_pickle(path: Path) -> dict[str, Column]:
    """Read a pickled pandas frame of texts and numbers, with columns of object or number dtype.

    Supports pandas 1.3 to 3 and protocols 3 to 5. pandas 3's default text dtype is refused: its cells are in Arrow
    format.

    Args:
        path: the file.

    Returns:
        Maps each column name to its ``(n,)`` cells; missing cells are None (or NaN). Nothing in the file is executed.

    Raises:
        InputError: the pickle is damaged, is not such a frame, or refers to any other global.
    """
    try:
        with path.open("rb") as file:
            frame = _Unpickler(file, path).load()
    except InputError:
        raise
    except Exception as error:  # a hostile or damaged file can fail in any way
        raise _refusal(path, f"it is damaged or no pickle ({type(error).__name__}: {error})") from error
    try:
        return _columns(frame)
    except Exception as error:
        raise _refusal(path, f"it is not a frame of texts and numbers ({error})") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> type[_Record]:
        """Return the stand-in for a global, by its exact name."""
        if (module, name) in _STAND_INS:
            return _STAND_INS[(module, name)]
        if module.startswith("pyarrow") or name in ("ArrowStringArray", "StringDtype"):
            what = f"its texts are stored in Arrow's own type ({module}.{name}), which is not admitted in a pickle"
        else:
            what = f"it asks for {module}.{name}, which no frame of texts and numbers needs"
        raise _refusal(self._path, what)


def _columns(frame: Any) -> dict[str, Column]:
    manager = _expect(_Frame, frame).state["_mgr"]
    if not isinstance(manager, _Manager) or len(manager.args) != 2:
        _refuse("its columns are stored in an unknown way")
    blocks, axes = manager.args
    names = _names(axes[0])
    columns: dict[int, Column] = {}
    for block in blocks:
        values, placement = _expect(_Block, block).args[:2]
        cells = _array(values)
        positions = _positions(placement, len(names))
        if cells.ndim != 2 or len(cells) != len(positions):
            _refuse("a block of columns has the wrong shape")
        columns.update(zip(positions, cells, strict=True))
    if sorted(columns) != list(range(len(names))) or len({len(cells) for cells in columns.values()}) > 1:
        _refuse("columns are missing or differ in length")
    return {name: columns[position] for position, name in enumerate(names)}


def _names(axis: Any) -> list[str]:
    index_class, contents = _expect(_NewIndex, axis).args
    if index_class is not _Index or "data" not in contents:
        _refuse("its columns are not named by texts")
    names = _array(contents["data"]).tolist()
    for name in names:
        if not isinstance(name, str):
            _refuse(f"column name {name!r} is not a text")
        if names.count(name) > 1:
            _refuse(f"two columns are called {name!r}")
    return names


def _positions(placement: Any, count: int) -> list[int]:
    """Return the positions in the frame of a block's columns."""
    if isinstance(placement, _Slice):
        if not all(part is None or isinstance(part, int) for part in placement.args):
            _refuse("a block of columns has no place")
        return list(range(count))[slice(*placement.args)]
    return [int(position) for position in _array(placement)]


def _array(record: Any) -> NDArray[Any]:
    """Rebuild a recorded array from raw bytes or from checked cells."""
    if isinstance(record, _Buffer):
        data, dtype, shape, order = record.args
        return _from_bytes(data, dtype, shape, order == "F")
    if _expect(_Array, record).args[0] is not _ArrayType:
        _refuse("an array is of an unknown class")
    _, shape, dtype, is_fortran, cells = record.state
    if not isinstance(cells, list):
        return _from_bytes(cells, dtype, shape, is_fortran)
    if _code(dtype) not in ("O", "O8"):
        _refuse("a list of cells is not of object type")
    values = np.fromiter(_checked(cells), dtype=object, count=len(cells))
    return values.reshape(_shape(shape, len(cells)), order="F" if is_fortran else "C")


def _from_bytes(data: Any, dtype: Any, shape: Any, is_fortran: bool) -> NDArray[Any]:
    if not isinstance(data, bytes | bytearray):
        _refuse("an array's cells are not bytes")
    values = np.frombuffer(bytes(data), dtype=_number_type(dtype))
    return values.reshape(_shape(shape, len(values)), order="F" if is_fortran else "C")


def _checked(cells: list[Any]) -> Iterable[str | float | int | bool | None]:
    for cell in cells:
        if isinstance(cell, _Scalar):
            dtype, data = cell.args
            yield _from_bytes(data, dtype, (1,), False)[0].item()
        elif cell is None or isinstance(cell, str | float | int):
            yield cell
        else:
            _refuse(f"a cell is a {type(cell).__name__.strip('_')}, not a text or number")


def _shape(shape: Any, count: int) -> tuple[int, ...]:
    if (
        not isinstance(shape, tuple)
        or not all(isinstance(size, int) and size >= 0 for size in shape)
        or math.prod(shape) != count
    ):
        _refuse("an array has the wrong number of cells")
    return shape


def _code(dtype: Any) -> str:
    return str(_expect(_DType, dtype).args[0])


def _number_type(dtype: Any) -> np.dtype[Any]:
    code = _code(dtype)
    if code not in _NUMBER_TYPES:
        _refuse(f"cells of type {code!r} are not texts or numbers")
    order = dtype.state[1] if dtype.state else "|"
    return np.dtype((order if order in ("<", ">") else "") + code)


def _expect(kind: type[_Record], record: Any) -> Any:
    if type(record) is not kind:
        _refuse(
            f"a {kind.__name__.strip('_').lower()} was expected and there is {type(record).__name__.strip('_').lower()}"
        )
    return record


def _refuse(why: str) -> NoReturn:
    raise InputError(why)


def _refusal(path: Path, why: str) -> InputError:
    return InputError(f"{path}: the pickle is refused: {why}; nothing in it was executed; {_ADVICE}")
