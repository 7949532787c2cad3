"""scripts/slope on results of every form, and on what is none."""
import json
import pathlib
import subprocess

import pytest

import result_set

SCRIPT = pathlib.Path(result_set.__file__).parent / "slope"
MIB = 1 << 20


def document(growth):
    points = [{"clock_bytes": at * MIB, "live_bytes": 8 * MIB + at * growth, "committed_bytes": 16 * MIB} for at in range(128)]
    return {"schema_version": 1, "status": "ok", "series": points}


def slope(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)


def test_a_folder_has_a_line_a_run_and_exit_1_names_what_grows(tmp_path):
    (tmp_path / "flat.json").write_text(json.dumps(document(0)), encoding="utf-8")
    assert slope("--limit=1", tmp_path).returncode == 0
    (tmp_path / "growing.json").write_text(json.dumps(document(1000)), encoding="utf-8")
    done = slope("--limit=1", tmp_path)
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if "over the limit" in line and "growing.json: live" in line]
    assert "flat.json: live_bytes median: +0.000 %" in done.stdout


@pytest.mark.parametrize("text, expected", [
    ('{"a": 1}', "expected a document of harness run --json"),
    ("{", "not JSON"),
    ('{"status": "oom"}', "expected a run with a series, this one is oom"),
    ('{"status": "ok", "series": [{"clock_bytes": 1}]}', "result.json: "),
])
def test_what_is_no_result_is_one_line_and_exit_2(tmp_path, text, expected):
    (tmp_path / "result.json").write_text(text, encoding="utf-8")
    done = slope(tmp_path / "result.json")
    assert done.returncode == 2 and done.stdout == ""
    assert expected in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, expected", [
    ([], "expected results"),
    (["absent.json"], "absent.json: No such file"),
    (["--blocks=x", "absent.json"], "--blocks: expected a whole number"),
])
def test_bad_arguments_are_named(arguments, expected):
    done = slope(*arguments)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
