import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerbench.data import formats
from routerbench.data.formats import read_coded_csv, read_columns
from routerbench.errors import InputError


def read(path, content):
    path = path / "t"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: cells.tolist() for name, cells in read_columns(path).items()}


def test_csv_cells_are_texts_and_only_an_empty_cell_is_missing(tmp_path):
    columns = read(tmp_path, "\ufeffprompt,a\n007,NA\n,null\n2020-01-01,1\n")
    assert columns == {"prompt": ["007", None, "2020-01-01"], "a": ["NA", "null", "1"]}


def test_csv_rows_longer_than_a_block_of_the_parser(tmp_path):
    long = "few shots,\n" * 200_000  # 2 MB, and pyarrow's own block is 1 MB
    assert read(tmp_path, f'prompt,a\n"{long}",1\nq,0\n') == {"prompt": [long, "q"], "a": ["1", "0"]}


def test_json_lines_of_any_length_with_keys_in_any_order(tmp_path):
    long = "x" * 3_000_000
    lines = [json.dumps({"prompt": long, "a": 1}), "", json.dumps({"b": "2020-01-01", "prompt": "007\u2028"})]
    columns = read(tmp_path, "\r\n".join(lines))
    assert columns == {"prompt": [long, "007\u2028"], "a": [1, None], "b": [None, "2020-01-01"]}


def test_parquet_types_become_numbers_and_texts(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["p", None], pa.large_string()),
            "categories": pa.array(["e", "e"]).dictionary_encode(),
            "whole": pa.array([2**62 + 1, 7], pa.int64()),
            "gap": pa.array([2**62 + 1, None], pa.int64()),
            "half": pa.array([0.5, None]).cast(pa.float16()),
            "decimal": pa.array([0.25, None]).cast(pa.decimal128(5, 2)),
            "truth": pa.array([True, None]),
        }
    )
    pq.write_table(table, tmp_path / "t")
    columns = {name: cells.tolist() for name, cells in read_columns(tmp_path / "t").items()}
    assert columns["text"] == ["p", None]
    assert columns["categories"] == ["e", "e"]
    assert columns["whole"] == [2**62 + 1, 7]
    assert columns["gap"] == [2**62 + 1, None]
    assert columns["half"][0] == 0.5
    assert columns["decimal"][0] == 0.25
    assert columns["truth"] == [True, None]


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    folder = tmp_path / "date=1"
    folder.mkdir()
    pq.write_table(pa.table({"prompt": ["p"]}), folder / "t")
    assert list(read_columns(folder / "t")) == ["prompt"]


NOT_TABLES = {
    "nothing": (b"", "the file is empty"),
    "zip": (
        gzip.compress(b"prompt,a\np,1\n" * 9)[:40] + b"\0",
        "is not a table; a table is a Parquet, CSV or JSON file",
    ),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "is not a table"),
    "cut Parquet": (b"PAR1 and then nothing", "cannot be read as Parquet"),
    "Latin-1 CSV": ("prompt,a\nnaïve,1\n".encode("latin-1"), "cannot be read as CSV"),
    "ragged CSV": (b"prompt,a\np,1\nq,2,3\n", "Row #3"),
    "broken JSON": (b'{"prompt": "p"}\n{"prompt": \n', "line 2 is not JSON"),
    "half JSON": (b'{"prompt": "p"}\n[1]\n', "line 2 is not a JSON object"),
    "JSON list that breaks off in a record": (
        b'[{"prompt": "p", "a": 1}, {"prom',
        "JSON that breaks off (Unterminated",
    ),
    "JSON list that breaks off between records": (b'[{"prompt": "p"},', "JSON that breaks off (Expecting"),
    "JSON list of a comma too much": (b'[{"prompt": "p"},,]', "not JSON (Expecting"),
    "JSON list of no records": (b'[{"prompt": "p"}, 5]', "row 2: '5' is not a record"),
    "empty JSON list": (b"[]", "not a list of records"),
    "header alone": (b"prompt,a\n", "the table has no rows"),
    "same name twice": (b"prompt,a,a\np,1,2\n", "two columns are called 'a'"),
}


@pytest.mark.parametrize("case", NOT_TABLES)
def test_what_is_no_table_is_refused_by_name(tmp_path, case):
    content, reason = NOT_TABLES[case]
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "t") + ": ")
    assert reason in str(caught.value)


def test_an_empty_parquet_has_no_rows(tmp_path):
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "t")
    with pytest.raises(InputError, match="the table has no rows"):
        read_columns(tmp_path / "t")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file; check the path"):
        read_columns(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_columns(tmp_path)


def test_coded_columns_of_several_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_CSV_BLOCK_BYTES", 64)
    cells = [f"text {row % 3}" if row % 5 else "" for row in range(40)]
    path = tmp_path / "t"
    path.write_text("\ufeffa,b\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells)))
    codes, texts = read_coded_csv(path, ["a"])["a"]
    assert sorted(texts) == ["text 0", "text 1", "text 2"]
    assert ["" if code < 0 else texts[code] for code in codes] == cells
    with pytest.raises(InputError, match="no column 'c'; the table has a, b"):
        read_coded_csv(path, ["c"])
