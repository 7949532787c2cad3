"""Without numpy the scripts that need it say so in one line, and what to do; --help needs no package."""
import os
import pathlib
import subprocess

import pytest

import result_set

SCRIPTS = pathlib.Path(result_set.__file__).parent
PYTHON_SCRIPTS = sorted(path.name for path in SCRIPTS.iterdir() if path.is_file() and not path.suffix
                        and path.read_text(encoding="utf-8").startswith("#!/usr/bin/python3"))


def hide(folder, *packages):
    """Environment in which these packages cannot be imported."""
    for package in packages:
        (folder / f"{package}.py").write_text(f"raise ImportError('no {package}')\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_the_scripts_are_found():
    assert {"recommend", "check-stability", "slope", "plot", "paper"} < set(PYTHON_SCRIPTS)


@pytest.mark.parametrize("name", PYTHON_SCRIPTS)
def test_help_needs_no_package(tmp_path, name):
    done = subprocess.run([SCRIPTS / name, "--help"], capture_output=True, text=True, env=hide(tmp_path, "numpy", "scipy", "matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: scripts/{name} " in done.stdout


@pytest.mark.parametrize("name", ["recommend", "report", "check-stability", "slope", "plot", "gate-trials", "instrument-check", "paper"])
def test_a_missing_package_is_one_line_and_exit_2(tmp_path, name):
    (tmp_path / "run.json").write_text('{"schema_version": 1, "status": "oom"}', encoding="utf-8")
    done = subprocess.run([SCRIPTS / name, tmp_path / "run.json", f"--out={tmp_path / 'out'}"][: 3 if name == "plot" else 2],
                          capture_output=True, text=True, env=hide(tmp_path, "numpy"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"scripts/{name}: ") and done.stderr.count("\n") == 1
    assert "scripts/setup figures" in done.stderr
