import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.encoders.tokens import Tokens, TokenTensors
from routerbench.errors import InputError

PROMPTS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), min_size=1, max_size=30)


def letters(prompts):
    """One token per character."""
    return Tokens.of([[ord(letter) for letter in prompt] for prompt in prompts])


@settings(deadline=None)
@given(PROMPTS)
def test_flat_array_gives_every_prompt_back(prompts):
    ids, offsets = tokens = Tokens.of(prompts)
    assert [ids[start:stop].tolist() for start, stop in pairwise(offsets)] == prompts
    assert tokens.lengths.tolist() == [len(prompt) for prompt in prompts]
    assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)


def test_no_prompts():
    assert Tokens.of([]).lengths.tolist() == []


@settings(deadline=None)
@given(PROMPTS, st.sampled_from([1, 8]), st.data())
def test_gather_equals_naive_padding(prompts, multiple, data):
    import torch

    rows = data.draw(st.lists(st.integers(0, len(prompts) - 1), min_size=1, max_size=9))
    tensors = TokenTensors(Tokens.of(prompts), 0, torch.device("cpu"), multiple)
    ids, lengths = tensors.gather(np.array(rows))
    longest = max(len(prompts[row]) for row in rows)
    width = next(width for width in range(longest, longest + multiple) if width % multiple == 0)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [prompts[row] + [0] * (width - len(prompts[row])) for row in rows]
    assert lengths.tolist() == [len(prompts[row]) for row in rows]


@settings(deadline=None)
@given(PROMPTS, st.data())
def test_gather_packed_is_one_after_the_other(prompts, data):
    import torch

    rows = data.draw(st.lists(st.integers(0, len(prompts) - 1), min_size=1, max_size=9))
    ids, lengths, longest = TokenTensors(Tokens.of(prompts), 0, torch.device("cpu")).gather_packed(np.array(rows))
    assert ids.dtype == torch.int64
    assert ids.tolist() == [token for row in rows for token in prompts[row]]
    assert lengths.tolist() == [len(prompts[row]) for row in rows]
    assert longest == max(lengths.tolist())


def test_stored_tokenises_once(tmp_path):
    calls = []

    def tokenize(prompts):
        calls.append(list(prompts))
        return letters(prompts)

    for _ in range(2):
        tokens = Tokens.stored(tmp_path / "new", ["ab", "c"], tokenize)
        assert (tokens.ids.tolist(), tokens.offsets.tolist()) == ([97, 98, 99], [0, 2, 3])
    assert not tokens.ids.flags.writeable
    Tokens.stored(tmp_path / "new", ["c", "ab"], tokenize)
    assert calls == [["ab", "c"], ["c", "ab"]]


def test_prompts_are_told_apart_whatever_they_hold(tmp_path):
    for prompts in (["a", "b"], ["a\0b"], ["ab"], ["a", "", "b"], ["\ud800"]):
        assert Tokens.stored(tmp_path, prompts, letters).lengths.tolist() == [len(prompt) for prompt in prompts]


@pytest.mark.parametrize("field", Tokens._fields)
def test_stored_with_a_file_missing_is_made_again(tmp_path, field):
    Tokens.stored(tmp_path, ["ab", "c"], letters)
    next(tmp_path.glob(f"*.{field}.npy")).unlink()
    assert Tokens.stored(tmp_path, ["ab", "c"], letters).ids.tolist() == [97, 98, 99]


@pytest.mark.parametrize("damage", [b"", b"not an array", None])
@pytest.mark.parametrize("field", Tokens._fields)
def test_stored_and_damaged_is_one_clear_error(tmp_path, field, damage):
    Tokens.stored(tmp_path, ["ab", "c"], letters)
    file = next(tmp_path.glob(f"*.{field}.npy"))
    file.write_bytes(file.read_bytes()[:-4] if damage is None else damage)
    with pytest.raises(InputError, match=f"{file}.*delete it") as caught:
        Tokens.stored(tmp_path, ["ab", "c"], letters)
    assert "\n" not in str(caught.value)


def test_processes_that_tokenise_at_once_agree(tmp_path):
    """All miss the files, all write them: whoever is last changes nothing for those who read already."""
    together = threading.Barrier(4)

    def tokenize(prompts):
        together.wait(30)
        return letters(prompts)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(Tokens.stored, tmp_path, ["ab", "c"], tokenize) for _ in range(4)]
    assert [future.result().ids.tolist() for future in found] == [[97, 98, 99]] * 4
    assert len(list(tmp_path.iterdir())) == 2, "nothing half-written stays"


def test_a_process_killed_between_the_two_files_is_made_good(tmp_path, monkeypatch):
    def killed(prompts):
        monkeypatch.setattr("routerbench.encoders.tokens.np.save", written_once)
        return letters(prompts)

    save = np.save

    def written_once(stream, array):
        if array.dtype == np.int64:
            raise KeyboardInterrupt
        save(stream, array)

    with pytest.raises(KeyboardInterrupt):
        Tokens.stored(tmp_path, ["ab", "c"], killed)
    monkeypatch.undo()
    assert [file.name.split(".")[1] for file in tmp_path.iterdir()] == ["ids"]
    assert Tokens.stored(tmp_path, ["ab", "c"], letters).offsets.tolist() == [0, 2, 3]
