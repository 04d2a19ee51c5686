import errno
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerbench.encoders.base import Encoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError


class Digest(Encoder):
    """Turns a text's SHA-256 into a vector, and writes down who was asked for what."""

    def __init__(self, name="digest", seconds=0.0, journal=None):
        self.name, self.seconds, self.journal, self.asked = name, seconds, journal, []

    @property
    def dim(self):
        return 8

    @property
    def identity(self):
        return {"encoder": self.name}

    def encode(self, prompts):
        self.asked += prompts
        time.sleep(self.seconds)
        if self.journal:
            with open(self.journal, "a") as stream:
                stream.write("".join(f"{os.getpid()}\t{prompt}\n" for prompt in prompts))
        digests = [hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest() for prompt in prompts]
        return np.array([list(digest[:8]) for digest in digests], np.float32).reshape(-1, 8)


TEXTS = [f"prompt {i}" + "!" * (i % 7) for i in range(100)]

# What a second process runs: this file's encoder, slowly, on TEXTS[first:last].
WORKER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("test_store", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
encoder = module.Digest(seconds=float(sys.argv[3]), journal=sys.argv[4])
texts = module.TEXTS[int(sys.argv[5]) : int(sys.argv[6])]
print("ready", flush=True)
sys.stdin.readline()
found = module.EmbeddingStore(sys.argv[2], block_size=10).encode(encoder, texts)
assert (found == module.Digest().encode(texts)).all()
"""


def workers(*arguments):
    """Processes that start to encode at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, __file__, *map(str, each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for each in arguments
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.close()
    return processes


def segments(root):
    return sorted(root.glob("*/*.keys.npy"))


def test_each_text_is_encoded_once_ever(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="routerbench")
    encoder = Digest()
    store = EmbeddingStore(tmp_path)
    prompts = [*TEXTS, TEXTS[3], TEXTS[3]]
    first = store.encode(encoder, prompts)
    np.testing.assert_array_equal(first, Digest().encode(prompts))
    assert first.dtype == np.float32
    assert sorted(encoder.asked) == sorted(TEXTS)
    again = EmbeddingStore(str(tmp_path)).encode(encoder, prompts[::-1])
    np.testing.assert_array_equal(again, first[::-1])
    more = store.encode(encoder, np.array([*TEXTS, "new"], object))
    np.testing.assert_array_equal(more[-1:], Digest().encode(["new"]))
    assert len(encoder.asked) == len(TEXTS) + 1
    assert [record.message for record in caplog.records] == [
        f"embeddings: 102 prompts, 0 from the store at {tmp_path}, 102 encoded",
        f"embeddings: 102 prompts, 102 from the store at {tmp_path}, nothing to encode",
        f"embeddings: 101 prompts, 100 from the store at {tmp_path}, 1 encoded",
    ]


def test_encoders_do_not_share_vectors(tmp_path):
    one, other = Digest("one"), Digest("other")
    for encoder in (one, other):
        EmbeddingStore(tmp_path).encode(encoder, TEXTS)
        assert len(encoder.asked) == len(TEXTS)
        assert json.loads((tmp_path / encoder.fingerprint / "identity.json").read_text()) == encoder.identity
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_to_do_touches_nothing(tmp_path):
    encoder = Digest()
    store = EmbeddingStore(tmp_path)
    assert store.encode(encoder, []).shape == (0, 8)
    assert list(tmp_path.iterdir()) == []
    store.encode(encoder, TEXTS)
    before = {path: path.stat().st_mtime_ns for path in [tmp_path / encoder.fingerprint, *tmp_path.glob("*/*")]}
    store.encode(encoder, TEXTS)
    after = {path: path.stat().st_mtime_ns for path in [tmp_path / encoder.fingerprint, *tmp_path.glob("*/*")]}
    assert after == before, "a full store can be read-only"


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    EmbeddingStore("~/vectors").encode(Digest(), TEXTS[:3])
    assert segments(tmp_path / "vectors")


def test_blocks_hold_texts_of_like_length(tmp_path):
    encoder = Digest()
    EmbeddingStore(tmp_path, block_size=30).encode(encoder, TEXTS)
    assert len(segments(tmp_path)) == 4
    assert [len(text) for text in encoder.asked] == sorted(len(text) for text in TEXTS)


odd_text = st.text(st.characters(codec=None, exclude_categories=[]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(odd_text, st.sampled_from(["", "a", "a\0", "\ud800", "é", "e\u0301"])), max_size=30))
def test_any_texts_come_back_in_order(tmp_path, texts):
    # One store for all examples: later ones find part of their texts.
    store = EmbeddingStore(tmp_path, block_size=4)
    expected = Digest().encode(texts)
    np.testing.assert_array_equal(store.encode(Digest(), texts), expected)
    second = Digest()
    np.testing.assert_array_equal(store.encode(second, texts), expected)
    assert second.asked == []


def test_killed_run_resumes(tmp_path):
    (process,) = workers((tmp_path / "store", 0.15, tmp_path / "journal", 0, 100))
    deadline = time.monotonic() + 30
    while len(segments(tmp_path / "store")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = sum(len(np.load(file)) for file in segments(tmp_path / "store"))
    assert 30 <= kept < 100, "killed in the middle"
    encoder = Digest()
    np.testing.assert_array_equal(EmbeddingStore(tmp_path / "store").encode(encoder, TEXTS), Digest().encode(TEXTS))
    assert len(encoder.asked) == 100 - kept


def test_vectors_without_keys_are_ignored(tmp_path):
    """A process killed between the two files of a segment leaves this."""
    EmbeddingStore(tmp_path, block_size=50).encode(Digest(), TEXTS)
    segments(tmp_path)[0].unlink()
    encoder = Digest()
    np.testing.assert_array_equal(EmbeddingStore(tmp_path).encode(encoder, TEXTS), Digest().encode(TEXTS))
    assert len(encoder.asked) == 50


def journalled(file):
    """What each process encoded."""
    asked = {}
    for line in file.read_text().splitlines():
        process, _, text = line.partition("\t")
        asked.setdefault(int(process), []).append(text)
    return asked


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_several_processes_share_the_work(tmp_path):
    journal = tmp_path / "journal"
    parts = (0, 80), (20, 100), (0, 100)
    processes = workers(*((tmp_path / "store", 0.2, journal, first, last) for first, last in parts))
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    asked = journalled(journal)
    assert sorted(chain(*asked.values())) == sorted(TEXTS), "each text encoded once, by one of them"
    assert asked.keys() == {process.pid for process in processes}
    assert not list(tmp_path.glob("store/*/claims/*")), "nobody claims anything any more"


def test_a_process_takes_what_others_have_not_claimed(tmp_path):
    """One that holds its block for long stops nobody; the others wait for it only when nothing else is left."""
    journal = tmp_path / "journal"
    (slow,) = workers((tmp_path / "store", 3, journal, 0, 10))
    until(lambda: list(tmp_path.glob("store/*/claims/*.keys")))
    quick = Digest()
    start = time.monotonic()
    EmbeddingStore(tmp_path / "store", block_size=7).encode(quick, TEXTS[10:])
    assert time.monotonic() - start < 2, "it did not wait for texts that it does not want"
    assert sorted(quick.asked) == sorted(TEXTS[10:])
    found = EmbeddingStore(tmp_path / "store").encode(quick, TEXTS)
    np.testing.assert_array_equal(found, Digest().encode(TEXTS))
    assert slow.wait(60) == 0
    assert len(quick.asked) == 90, "the first ten came from the other"


def test_a_killed_process_leaves_its_block_to_others(tmp_path):
    store, journal = tmp_path / "store", tmp_path / "journal"
    (doomed,) = workers((store, 600, journal, 0, 10))
    until(lambda: list(store.glob("*/claims/*.keys")))
    (other,) = workers((store, 0.1, journal, 0, 100))
    until(lambda: sum(len(np.load(file)) for file in segments(store)) == 90)
    assert other.poll() is None, "it waits for the first ten"
    doomed.kill()
    doomed.wait()
    assert other.wait(60) == 0
    assert sorted(journalled(journal)[other.pid]) == sorted(TEXTS)
    assert not list(store.glob("*/claims/*")), "the claim of the dead is cleared away"


def test_dead_claims_are_ignored(tmp_path):
    """What a killed machine leaves: any pair of files that nobody holds, or half of one."""
    places = tmp_path / Digest().fingerprint / "claims"
    places.mkdir(parents=True)
    for name in ("a.lock", "a.keys", "b.lock"):
        (places / name).write_bytes(b"x" * 16)
    encoder = Digest()
    EmbeddingStore(tmp_path).encode(encoder, TEXTS)
    assert sorted(encoder.asked) == sorted(TEXTS)
    assert not list(places.iterdir())


def test_threads_share_the_work(tmp_path):
    encoders = [Digest(seconds=0.05) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda encoder: EmbeddingStore(tmp_path, block_size=10).encode(encoder, TEXTS), encoders))
    assert sorted(chain(*(encoder.asked for encoder in encoders))) == sorted(TEXTS)


def test_duplicates_across_segments_are_harmless(tmp_path):
    """Two processes on a file system without locks may both store a text."""
    for root in ("a", "b"):
        EmbeddingStore(tmp_path / root).encode(Digest(), TEXTS[:60] if root == "a" else TEXTS[40:])
    folder = tmp_path / "a" / Digest().fingerprint
    for file in (tmp_path / "b").glob("*/*.npy"):
        file.rename(folder / file.name)
    encoder = Digest()
    np.testing.assert_array_equal(EmbeddingStore(tmp_path / "a").encode(encoder, TEXTS), Digest().encode(TEXTS))
    assert encoder.asked == []


def test_works_where_files_cannot_be_locked(tmp_path, monkeypatch, caplog):
    import filelock

    def unsupported(*_, **__):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.FileLock, "acquire", unsupported)
    found = EmbeddingStore(tmp_path).encode(Digest(), TEXTS)
    np.testing.assert_array_equal(found, Digest().encode(TEXTS))
    assert "has no file locks" in caplog.text


def cut(file):
    file.write_bytes(file.read_bytes()[:-10])


def other_shape(file):
    np.save(file, np.zeros((100, 5), np.float32))


def fewer_rows(file):
    np.save(file, np.load(file)[:2])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("vectors", cut),
        ("keys", cut),
        ("vectors", other_shape),
        ("keys", other_shape),
        ("vectors", fewer_rows),
        ("vectors", lambda file: file.unlink()),
        ("vectors", lambda file: file.write_bytes(b"")),
        ("keys", lambda file: file.write_bytes(b"not an array")),
    ],
)
def test_broken_segment_is_named(tmp_path, name, damage):
    EmbeddingStore(tmp_path).encode(Digest(), TEXTS)
    (file,) = tmp_path.glob(f"*/*.{name}.npy")
    damage(file)
    with pytest.raises(InputError, match="broken piece of the embedding store") as error:
        EmbeddingStore(tmp_path).encode(Digest(), TEXTS)
    assert str(file) in str(error.value)
    stem = file.name.split(".")[0]
    assert f"delete {stem}.* there and run again" in str(error.value)
    for part in file.parent.glob(f"{stem}.*"):
        part.unlink()
    np.testing.assert_array_equal(EmbeddingStore(tmp_path).encode(Digest(), TEXTS), Digest().encode(TEXTS))


def test_full_disk_leaves_the_store_usable(tmp_path, monkeypatch):
    save, calls = np.save, []

    def full(file, array):
        calls.append(array)
        if len(calls) > 3:
            file.write(b"half a header")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(file, array)

    store = EmbeddingStore(tmp_path, block_size=25)
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(InputError, match="the disk is full"):
            store.encode(Digest(), TEXTS)
    assert len(segments(tmp_path)) == 1, "the second segment had its vectors only"
    encoder = Digest()
    np.testing.assert_array_equal(store.encode(encoder, TEXTS), Digest().encode(TEXTS))
    assert len(encoder.asked) == 75


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot store embeddings here"):
        EmbeddingStore(tmp_path / "file").encode(Digest(), TEXTS)


def test_vectors_that_are_not_finite_are_not_stored(tmp_path):
    class Overflow(Digest):
        def encode(self, prompts):
            return np.where(np.array(prompts)[:, None] == "prompt 0", np.inf, super().encode(prompts))

    with pytest.raises(InputError, match="embedding of 'prompt 0' is not finite"):
        EmbeddingStore(tmp_path).encode(Overflow(), TEXTS)
    assert not segments(tmp_path)
