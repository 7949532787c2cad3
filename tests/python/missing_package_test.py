"""Without numpy the scripts that need it say so in one line, and what to do."""
import os
import pathlib
import subprocess

import pytest

import result_set

SCRIPTS = pathlib.Path(result_set.__file__).parent


@pytest.mark.parametrize("name", ["recommend", "report", "check-stability", "slope", "plot"])
def test_a_missing_package_is_one_line_and_exit_2(tmp_path, name):
    (tmp_path / "numpy.py").write_text("raise ImportError\n", encoding="utf-8")
    (tmp_path / "run.json").write_text('{"schema_version": 1, "status": "oom"}', encoding="utf-8")
    done = subprocess.run([SCRIPTS / name, tmp_path / "run.json", f"--out={tmp_path / 'out'}"][: 3 if name == "plot" else 2],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith(f"scripts/{name}: ") and done.stderr.count("\n") == 1
    assert "scripts/setup figures" in done.stderr
