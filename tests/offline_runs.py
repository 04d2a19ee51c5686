"""Reads the records in the file of an offline W&B run."""

import json
import struct
import time
from pathlib import Path

_BLOCK, _HEADER = 32768, 7
_FULL, _LAST = 1, 4


def records(file: Path):
    """The records of ``run-ID.wandb``: LevelDB's log format behind seven bytes of W&B's."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, parts = file.read_bytes(), _HEADER, []
    assert data[:4] == b":W&B"
    while position + _HEADER <= len(data):
        if _BLOCK - position % _BLOCK < _HEADER:  # too little is left of a block for a header
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += _HEADER
        if position + length > len(data):  # it is being written
            return
        parts.append(data[position : position + length])
        position += length
        if kind in (_FULL, _LAST):
            yield Record.FromString(b"".join(parts))
            parts = []


class OfflineRun:
    """The one run below a folder, ended: W&B's own process may write on for a moment after ``finish`` returns.

    Attributes:
        config: as it was at the end.
        history: one dict for each call of ``log``.
        summary: as it was at the end.
        artifacts: ``(type, name, file names, metadata)`` of each.
        exit_code: with which it ended.
    """

    def __init__(self, folder: Path) -> None:
        (file,) = folder.rglob("run-*.wandb")
        deadline = time.monotonic() + 10
        while not any(record.WhichOneof("record_type") == "exit" for record in records(file)):
            assert time.monotonic() < deadline, f"{file} has no end"
            time.sleep(0.01)
        self.config, self.history, self.summary, self.artifacts = {}, [], {}, []
        for record in records(file):
            kind = record.WhichOneof("record_type")
            if kind == "config":
                self.config |= _items(record.config.update)
            elif kind == "run":
                self.config |= _items(record.run.config.update)
            elif kind == "history":
                self.history.append(_items(record.history.item))
                self.summary |= self.history[-1]
            elif kind == "summary":
                self.summary |= _items(record.summary.update)
            elif kind == "artifact":
                artifact = record.artifact
                names = {entry.path for entry in artifact.manifest.contents}
                self.artifacts.append((artifact.type, artifact.name, names, json.loads(artifact.metadata or "{}")))
            elif kind == "exit":
                self.exit_code = record.exit.exit_code

    def values(self, key: str) -> list:
        """What was logged under a key, in order."""
        return [row[key] for row in self.history if key in row]


def _items(items) -> dict:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
