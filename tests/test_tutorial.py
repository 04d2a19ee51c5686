"""The tutorial notebook, executed from top to bottom as a reader would."""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent


def test_the_tutorial_runs_from_top_to_bottom(tmp_path, monkeypatch):
    for name in ("train.py", "evaluate.py", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").mkdir()
    monkeypatch.setenv("ROUTERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before you commit"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "docs")}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    # A failing shell line raises nothing in a notebook, so each result is looked for.
    text = "".join(printed)
    assert "error:" not in text
    assert text.count("router saved in") == 2
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "page: outputs/tutorial/audit/audit.html" in text
    assert "report: outputs/tutorial/evaluation/report.html" in text
    free, masked, priced = [line for line in text.splitlines() if line.startswith("['")]
    assert free != masked
    assert masked == priced
    assert "rule" in text.split("\n\n")[-1]
