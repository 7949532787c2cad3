"""Places to write to: found fit, or refused, before any work is done."""
import pathlib

import pytest

from measured_runs import BadInput, counted, writable_file, writable_folder

# Root may write to it, and yet nobody can make a file in it.
TAKES_NO_FILE = pathlib.Path("/proc")


def test_missing_folders_are_made_and_nothing_is_left_in_them(tmp_path):
    assert writable_file(tmp_path / "a/b/file.json") == tmp_path / "a/b/file.json"
    assert writable_folder(tmp_path / "c/d") == tmp_path / "c/d"
    assert list((tmp_path / "a/b").iterdir()) == list((tmp_path / "c/d").iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "file.json").write_text("old", encoding="utf-8")
    assert writable_file(tmp_path / "file.json").read_text(encoding="utf-8") == "old"


def test_a_folder_that_takes_no_file_is_refused_by_name():
    with pytest.raises(BadInput, match="^/proc/result.json: expected a place to write to"):
        writable_file(TAKES_NO_FILE / "result.json")
    with pytest.raises(BadInput, match="^--out=/proc: expected a folder to write to"):
        writable_folder(TAKES_NO_FILE)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="not a folder"):
        writable_file(tmp_path)
    with pytest.raises(BadInput, match="--out=.*file: expected a folder"):
        writable_folder(tmp_path / "file")


@pytest.mark.parametrize("number, noun, text", [(0, "cell", "0 cells"), (1, "run", "1 run"), (2, "run", "2 runs"), (1, "pass", "1 pass"),
                                                (3, "pass", "3 passes"), (2, "policy", "2 policies")])
def test_one_is_singular(number, noun, text):
    assert counted(number, noun) == text
