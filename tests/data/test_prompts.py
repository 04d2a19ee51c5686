import logging

import numpy as np
import pytest

from routerbench.data.prompts import read_prompts
from routerbench.errors import InputError


def read(*prompts):
    return read_prompts(np.array(prompts, dtype=object), "prompt", "t.csv").tolist()


def test_lists_of_turns_are_joined_by_a_blank_line():
    prompts = ['First\nline, it\'s \\ "quoted"', "Second"]
    assert read(repr(prompts), " ['alone'] ") == [prompts[0] + "\n\nSecond", "alone"]


def test_one_ordinary_text_leaves_all_texts_as_they_are():
    assert read("['a list']", "a text") == ["['a list']", "a text"]


def test_bracketed_texts_that_are_no_lists_are_ordinary(caplog):
    texts = ["[INST] Why? [/INST]", "[1, 2]", "[]", "['a', 1]", "[x for x in ['a']]"]
    assert read(*texts) == texts
    assert not caplog.text


def test_a_list_that_does_not_parse_keeps_its_text_and_is_counted(caplog):
    with caplog.at_level(logging.WARNING):
        assert read("['a']", "['b' + ]", "['d']['e']") == ["a", "['b' + ]", "['d']['e']"]
    assert "t.csv: 2 of 3 prompts" in caplog.text


def test_prompts_are_never_evaluated(tmp_path):
    target = tmp_path / "made"
    attack = f"[open({str(target)!r}, 'w').write('x')]"
    assert read("['a']", attack) == ["a", attack]
    assert not target.exists()


def test_deep_nesting_is_a_text_like_any_other():
    deep = "[" * 5000 + "]" * 5000
    assert read("['a']", deep) == ["a", deep]


def test_half_characters_are_replaced_and_counted(caplog):
    with caplog.at_level(logging.WARNING):
        assert read("whole 🧪", "half \ud83e!") == ["whole 🧪", "half \ufffd!"]
    assert "1 prompts hold half of a character" in caplog.text
    assert "row 2" in caplog.text


def test_lists_may_be_json(caplog):
    with caplog.at_level(logging.WARNING):
        assert read(r'["a\/b", "\ud83d\ude00"]', '["one", null, "two"]', "['three']") == [
            "a/b\n\n😀",
            "one\n\ntwo",
            "three",
        ]
    assert not caplog.text


def test_two_halves_of_a_character_are_one_and_are_not_counted(caplog):
    with caplog.at_level(logging.WARNING):
        assert read("\ud83d\ude00", "\ufffd \ud83d\ude00", "\ufffd \ude00") == ["😀", "\ufffd 😀", "\ufffd \ufffd"]
    assert "1 prompts hold half of a character and get U+FFFD there, the first in row 3" in caplog.text


def test_turns_that_are_all_blank_are_refused():
    with pytest.raises(InputError, match=r"t\.csv: row 2, column 'prompt': \"\[' ', ''\]\" is an empty prompt"):
        read("['a']", "[' ', '']")
