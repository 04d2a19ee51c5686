import errno
import os
import stat

import pytest

from routerbench.errors import InputError
from routerbench.files import atomic_folder, atomic_path


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "figures.json"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as part:
            part.write_text("half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        write_half()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["figures.json"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "figures.json"
    target.write_text("old")
    with atomic_path(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path, code):
    target = tmp_path / "folder" / "figures.json"
    with pytest.raises(InputError, match=r"figures\.json: the disk is full"), atomic_path(target):
        raise OSError(code, "full")
    assert os.listdir(target.parent) == []


def test_other_errors_of_the_system_pass(tmp_path):
    with pytest.raises(PermissionError), atomic_path(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "no")


def test_files_get_the_mode_that_the_umask_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "x") as part:
            part.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_folder_takes_the_place_of_another_at_once(tmp_path):
    target = tmp_path / "model"
    for text in ("old", "new"):
        with atomic_folder(target) as part:
            (part / "weights").write_text(text)
            (part / text).touch()
    assert {file.name for file in target.iterdir()} == {"weights", "new"}

    def write_half():
        with atomic_folder(target) as part:
            (part / "weights").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert (target / "weights").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
