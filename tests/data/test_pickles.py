import base64
import os
import pickle
import struct

import numpy as np
import pandas as pd
import pytest

from routerbench.data import pickles
from routerbench.data.pickles import read_pickle
from routerbench.data.table import read
from routerbench.errors import InputError

# Written by pandas 2.1.4 and numpy 1.26.4, as RouterBench's files were, and the way its code does it:
#
#     calls = [
#         ("arc.1", "['Why?']", "arc", "b/x", 1.0, "['A']", 0.02),
#         ("arc.1", "['Why?']", "arc", "a", 0.5, "['B']", 0.01),
#         ("arc.2", "['How?', 'Really?']", "arc", "b/x", None, "['C']", 0.04),
#         ("arc.2", "['How?', 'Really?']", "arc", "a", 0.0, "['D']", 0.03),
#     ]
#     raw = pd.DataFrame(calls, columns=["sample_id", "prompt", "eval_name", "model", "quality", "response", "cost"])
#     raw["quality"] = raw["quality"].astype(object)
#     keys = ["sample_id", "prompt", "eval_name"]
#     wide = raw.pivot_table(index=keys, columns="model", values="quality", aggfunc="first").reset_index()
#     for model, calls in raw.groupby("model", sort=False):
#         names = {"response": f"{model}|model_response", "cost": f"{model}|total_cost"}
#         wide = wide.merge(calls[["sample_id", *names]].rename(columns=names), on="sample_id")
#     wide["oracle_model_to_route_to"] = "a"
#     print(base64.b64encode(pickle.dumps(wide, protocol=5)).decode())
OLD_PANDAS = """
gAWVnQQAAAAAAACMEXBhbmRhcy5jb3JlLmZyYW1llIwJRGF0YUZyYW1llJOUKYGUfZQojARfbWdylIwecGFuZGFzLmNvcmUuaW50ZXJuYWxzLm
1hbmFnZXJzlIwMQmxvY2tNYW5hZ2VylJOUKIwWcGFuZGFzLl9saWJzLmludGVybmFsc5SMD191bnBpY2tsZV9ibG9ja5STlIwSbnVtcHkuY29y
ZS5udW1lcmljlIwLX2Zyb21idWZmZXKUk5QolhAAAAAAAAAAexSuR+F6lD97FK5H4XqkP5SMBW51bXB5lIwFZHR5cGWUk5SMAmY4lImIh5RSlC
hLA4wBPJROTk5K/////0r/////SwB0lGJLAUsChpSMAUOUdJRSlIwIYnVpbHRpbnOUjAVzbGljZZSTlEsGSwdLAYeUUpRLAoeUUpRoC4wVbnVt
cHkuY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUaBCMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLBksChpRoEowCTziUiYiHlF
KUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlCiMBWFyYy4xlIwFYXJjLjKUjAhbJ1doeT8nXZSME1snSG93PycsICdSZWFsbHk/J12UjANh
cmOUaDdHP+AAAAAAAABHAAAAAAAAAABHP/AAAAAAAABHf/gAAAAAAACMBVsnQSddlIwFWydDJ12UZXSUYmgeSwBLBksBh5RSlEsCh5RSlGgLaC
VoJ0sAhZRoKYeUUpQoSwFLAUsChpRoL4ldlCiMBVsnQiddlIwFWydEJ12UZXSUYmgeSwdLCEsBh5RSlEsCh5RSlGgLaA4olhAAAAAAAAAAexSu
R+F6hD+4HoXrUbieP5RoFUsBSwKGlGgZdJRSlGgeSwhLCUsBh5RSlEsCh5RSlGgLaCVoJ0sAhZRoKYeUUpQoSwFLAUsChpRoL4ldlCiMAWGUaF
hldJRiaB5LCUsKSwGHlFKUSwKHlFKUdJRdlCiMGHBhbmRhcy5jb3JlLmluZGV4ZXMuYmFzZZSMCl9uZXdfSW5kZXiUk5RoYIwFSW5kZXiUk5R9
lCiMBGRhdGGUaCVoJ0sAhZRoKYeUUpQoSwFLCoWUaC+JXZQojAlzYW1wbGVfaWSUjAZwcm9tcHSUjAlldmFsX25hbWWUaFiMA2IveJSMEmIveH
xtb2RlbF9yZXNwb25zZZSMDmIveHx0b3RhbF9jb3N0lIwQYXxtb2RlbF9yZXNwb25zZZSMDGF8dG90YWxfY29zdJSMGG9yYWNsZV9tb2RlbF90
b19yb3V0ZV90b5RldJRijARuYW1llE51hpRSlGhijBlwYW5kYXMuY29yZS5pbmRleGVzLnJhbmdllIwKUmFuZ2VJbmRleJSTlH2UKGh2TowFc3
RhcnSUSwCMBHN0b3CUSwKMBHN0ZXCUSwF1hpRSlGWGlFKUjARfdHlwlIwJZGF0YWZyYW1llIwJX21ldGFkYXRhlF2UjAVhdHRyc5R9lIwGX2Zs
YWdzlH2UjBdhbGxvd3NfZHVwbGljYXRlX2xhYmVsc5SIc3ViLg==
"""


@pytest.fixture
def refused(tmp_path):
    """Check that bytes are refused, by an error that names the file and ``what``."""

    def check(content, what):
        path = tmp_path / "t.pkl"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_pickle(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: the pickle is refused: ")
        assert what in message
        assert "nothing in it was executed" in message
        assert "to_parquet" in message

    return check


def write(path, frame, protocol=5):
    frame.columns = pd.Index(list(frame.columns), dtype=object)
    path.write_bytes(pickle.dumps(frame, protocol=protocol))
    return path


def test_a_frame_of_the_pandas_that_wrote_routerbench(tmp_path):
    (tmp_path / "t").write_bytes(base64.b64decode(OLD_PANDAS))
    table = read(tmp_path / "t")
    assert table.prompts.tolist() == ["Why?", "How?\n\nReally?"]
    assert table.ids.tolist() == ["arc.1", "arc.2"]
    assert table.models == ("a", "b/x")
    np.testing.assert_array_equal(table.quality, [[0.5, 1.0], [0.0, np.nan]])
    assert table.cost.tolist() == [[0.01, 0.02], [0.03, 0.04]]
    assert table.responses.tolist() == [["['B']", "['A']"], ["['D']", "['C']"]]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_frames_of_every_plain_type(tmp_path, protocol):
    columns = {
        "text": pd.Series(["naïve 🧪", None, ""], dtype=object),
        "mixed": pd.Series([1, 2.5, True], dtype=object),
        "numpy": pd.Series([np.float64(0.25), np.int32(7), np.bool_(True)], dtype=object),
        "float": [0.1, float("nan"), 3.0],
        "single": np.array([0.5, 1, 2], dtype=np.float32),
        "whole": [1, 2, 2**60],
        "small": np.array([1, 2, 3], dtype=np.uint8),
        "big endian": np.array([1.5, 2, 3]).astype(">f8"),
        "truth": [True, False, True],
        "more text": pd.Series(["a", "b", "c"], dtype=object),
    }
    read_back = read_pickle(write(tmp_path / "t", pd.DataFrame(columns), protocol))
    assert list(read_back) == list(columns)
    for name, cells in columns.items():
        np.testing.assert_array_equal(read_back[name], np.array(list(cells), dtype=read_back[name].dtype), err_msg=name)
    assert read_back["numpy"].tolist() == [0.25, 7, True]


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_keep_their_columns_whatever_their_order_in_memory(tmp_path, order):
    cells = np.arange(12.0).reshape(4, 3)
    frame = pd.DataFrame(np.array(cells, order=order), columns=["x", "y", "z"])
    frame.insert(1, "text", pd.Series(["a"] * 4, dtype=object))
    frame = frame[["z", "text", "x", "y"]]
    read_back = read_pickle(write(tmp_path / "t", frame))
    np.testing.assert_array_equal(np.stack([read_back[name] for name in "xyz"], axis=1), cells)
    filtered = read_pickle(write(tmp_path / "t", frame[frame.x > 0]))  # its row index is no range
    assert filtered["x"].tolist() == [3.0, 6.0, 9.0]


class Call:
    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


def test_a_global_outside_the_list_is_named_and_never_called(refused, tmp_path):
    target = str(tmp_path / "made")
    refused(pickle.dumps(Call(os.system, f"touch {target}")), f"{os.system.__module__}.system")
    refused(pickle.dumps(Call(eval, f"open({target!r}, 'w')")), "builtins.eval")
    refused(pickle.dumps(Call(getattr, "text", "upper")), "builtins.getattr")
    refused(pickle.dumps(Call(open, target, "w"), protocol=2), "open")
    refused(pickle.dumps(Call(np.save, target, 1)), "numpy.save")
    cells = pickle.dumps(Call(os.mkdir, target), protocol=3)[2:-1]
    refused(one_column(object_array(b"](" + cells + b"e")), f"{os.mkdir.__module__}.mkdir")
    assert not os.path.exists(target)


NO_GLOBALS = {
    # Names on the memo, joined by STACK_GLOBAL after an innocent text.
    "by memo": (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x8c\x01x00h\x00h\x01\x93\x8c\x04true\x85R.", "os.system"),
    "by attribute": (b"\x80\x04\x8c\x06pandas\x8c\x12DataFrame.__init__\x93.", "pandas.DataFrame.__init__"),
    "of numpy": (b"\x80\x04\x8c\x05numpy\x8c\x0bctypeslib.x\x93.", "numpy.ctypeslib.x"),
    "by its old form": (b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR.", "posix.system"),
    "by INST": (b"\x80\x02(X\x04\x00\x00\x00trueiposix\nsystem\n.", "posix.system"),
    "by OBJ": (b"\x80\x02(cposix\nsystem\nX\x04\x00\x00\x00trueo.", "posix.system"),
    "by NEWOBJ": (b"\x80\x04\x8c\x08builtins\x8c\x04type\x93)\x81.", "builtins.type"),
    "by the registry of extensions": (b"\x80\x02\x82\xf0.", "extension"),
    "by a persistent id": (b"\x80\x02X\x01\x00\x00\x00aQ.", "persistent"),
}


@pytest.mark.parametrize("case", NO_GLOBALS)
def test_a_global_is_refused_however_it_is_reached(refused, case):
    refused(*NO_GLOBALS[case])


def program(*parts):
    """A pickle of protocol 4: texts in angle brackets are globals, bytes are opcodes, other values are pickled."""
    return b"\x80\x04" + b"".join(parts) + b"."


def name(module, attribute):
    return b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, attribute)) + b"\x93"


def value(content):
    return pickle.dumps(content, protocol=3)[2:-1]  # without the protocol and the end


FRAME = name("pandas.core.frame", "DataFrame") + b")\x81"
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
NDARRAY = name("numpy", "ndarray")
OBJECTS = name("numpy", "dtype") + value("O8") + b"\x85R"


def one_column(array, make_block=None):
    """A frame whose only column, "x", is the array that an opcode sequence makes."""
    names = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85" + OBJECTS + b"\x89" + value(["x"]) + b"tb"
    slice_ = name("builtins", "slice") + value((0, 1, 1)) + b"R"
    block = name("pandas._libs.internals", "_unpickle_block") + array + slice_ + b"K\x02\x87R"
    if make_block:
        block = make_block + array + slice_ + b"\x86R"
    index = name("pandas.core.indexes.base", "_new_Index") + name("pandas", "Index")
    index += b"}" + value("data") + names + b"s\x86R"
    manager = name("pandas.core.internals.managers", "BlockManager") + block + b"\x85](" + index + b"Ne\x86R"
    return program(FRAME, b"}", value("_mgr"), manager, b"sb")


def object_array(cells, shape=b"K\x01K\x01\x86"):
    return RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R(K\x01" + shape + OBJECTS + b"\x89" + cells + b"tb"


def buffer(data, code, shape):
    dtype = name("numpy", "dtype") + value(code) + b"\x85R"
    return name("numpy.core.numeric", "_frombuffer") + b"(" + value(data) + dtype + value(shape) + value("C") + b"tR"


def test_the_hand_made_frame_below_is_a_good_one_until_it_is_spoilt(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(one_column(object_array(value(["cell"]))))
    assert {column: cells.tolist() for column, cells in read_pickle(path).items()} == {"x": ["cell"]}
    path.write_bytes(one_column(buffer(struct.pack("<d", 0.5), "f8", (1, 1))))
    assert read_pickle(path)["x"].tolist() == [0.5]


def test_pandas_1_3_makes_its_blocks_by_a_partial(tmp_path, refused):
    new_block = name("pandas.core.internals.blocks", "new_block")
    state = b"(" + new_block + b")" + value({"ndim": 2}) + b"Nt"
    partial = name("functools", "partial") + new_block + b"\x85R" + state + b"b"
    (tmp_path / "t").write_bytes(one_column(object_array(value(["cell"])), partial))
    assert read_pickle(tmp_path / "t")["x"].tolist() == ["cell"]
    other = name("functools", "partial") + name("pandas", "DataFrame") + b"\x85R"
    refused(one_column(object_array(value(["cell"])), other), "partial of something that is no block")


SPOILT = {
    "a list as a cell": (one_column(object_array(value([["deep"]]))), "a cell is a list"),
    "a frame as a cell": (one_column(object_array(b"](" + FRAME + b"e")), "a cell is a Frame"),
    "bytes as a cell": (one_column(object_array(value([b"raw"]))), "a cell is a bytes"),
    "too few cells": (one_column(object_array(value([]))), "wrong number of cells"),
    "too many cells": (one_column(object_array(value(["a", "b"]))), "wrong number of cells"),
    "a negative shape": (one_column(object_array(value(["a"]), value((-1, 1)))), "wrong number of cells"),
    "a huge shape": (one_column(buffer(b"12345678", "f8", (2**62, 4))), "wrong number of cells"),
    "pointers as bytes": (one_column(buffer(b"12345678", "O", (1, 1))), "'O' are not texts or numbers"),
    "a record type": (one_column(buffer(b"12345678", "V8", (1, 1))), "'V8' are not texts or numbers"),
    "a type by description": (one_column(buffer(b"12345678", "f8,O", (1, 1))), "'f8,O' are not texts or numbers"),
    "pointers as state": (one_column(object_array(value(b"12345678"))), "'O8' are not texts or numbers"),
    "another class of array": (
        one_column(object_array(value(["a"]))).replace(RECONSTRUCT + NDARRAY, RECONSTRUCT + name("pandas", "Index")),
        "an array is of an unknown class",
    ),
    "no frame": (program(value([1, 2])), "a frame was expected and there is list"),
    "a class": (program(name("pandas", "DataFrame")), "a frame was expected and there is type"),
    "a frame without state": (program(FRAME), "not a frame of texts and numbers"),
    "a number as state": (program(FRAME, b"K\x07b"), "not a frame of texts and numbers"),
    "a pair of states": (program(FRAME, value((None, {"args": 1})), b"b"), "not a frame of texts and numbers"),
    "blocks of nothing": (program(FRAME, value({"_mgr": 1}), b"b"), "stored in an unknown way"),
    "state of a class": (program(name("pandas", "DataFrame"), value({"evil": 1}), b"b"), "TypeError"),
    "slots of a class": (program(name("pandas", "DataFrame"), value((None, {"evil": 1})), b"b"), "TypeError"),
    "slots of a function": (
        program(name("pandas._libs.internals", "_unpickle_block"), value((None, {"__defaults__": (1,)})), b"b"),
        "TypeError",
    ),
    "items of a frame": (program(FRAME, value("a"), value(1), b"s"), "damaged or no pickle"),
    "a call of a frame": (program(FRAME, b")R"), "not callable"),
    "words by name": (program(name("pandas", "DataFrame"), b")", value({"a": 1}), b"\x92"), "damaged or no pickle"),
    "an empty file": (b"\x80\x04", "damaged or no pickle"),
    "no number of protocol": (b"\x80\xff.", "damaged or no pickle"),
    "a memo of a terabyte": (b"\x80\x04Nr\xff\xff\xff\x7f", "damaged or no pickle"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_frame_is_refused_and_leaves_no_trace(refused, case):
    before = {key: sorted(vars(stand_in)) for key, stand_in in pickles._STAND_INS.items()}
    refused(*SPOILT[case])
    assert {key: sorted(vars(stand_in)) for key, stand_in in pickles._STAND_INS.items()} == before


def test_every_truncation_is_refused(refused):
    whole = base64.b64decode(OLD_PANDAS)
    for length in range(1, len(whole), 7):
        refused(whole[:length], "damaged or no pickle" if length > 1 else "")


def test_every_flipped_byte_gives_a_table_or_an_input_error(tmp_path):
    whole = bytearray(base64.b64decode(OLD_PANDAS))
    refusals = 0
    for place in range(2, len(whole), 3):
        spoilt = whole.copy()
        spoilt[place] ^= 0x15
        (tmp_path / "t").write_bytes(spoilt)
        try:
            columns = read_pickle(tmp_path / "t")
        except InputError:
            refusals += 1
        else:
            assert len({len(cells) for cells in columns.values()}) == 1
    assert refusals > 100


def test_arrow_texts_of_pandas_3_are_refused_with_the_way_out(refused):
    frame = pd.DataFrame({"prompt": pd.array(["p", "q"], dtype="string[pyarrow]")})
    refused(pickle.dumps(frame), "Arrow's own type")


def test_other_frames_are_refused(refused):
    refused(pickle.dumps(pd.DataFrame({"prompt": pd.Categorical(["p", "q"])})), "it asks for pandas")
    refused(pickle.dumps(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])})), "it asks for pandas")
    numbered = pd.DataFrame([[1.0, 2.0]])
    refused(pickle.dumps(numbered), "columns are")


def test_what_a_pickle_can_reach_is_ours_and_only_records(tmp_path):
    for stand_in in pickles._STAND_INS.values():
        record = stand_in("anything", 7)
        record.__setstate__({"args": "overwritten"})
        assert record.args == ("anything", 7)
        assert record.state == {"args": "overwritten"}
        assert not hasattr(record, "__dict__")
