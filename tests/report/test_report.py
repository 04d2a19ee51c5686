"""One call writes all files; the import loads no heavy packages."""

import subprocess
import sys

from routerbench.report import write_report


def test_all_files(evaluation, tmp_path):
    write_report(evaluation, tmp_path / "new" / "folder")
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"metrics.json", "curves.parquet", "table.md", "frontier.png", "report.html"}


def test_import_is_light():
    heavy = "torch lightning hydra pandas matplotlib plotly pyarrow"
    code = f"import sys, routerbench.report; print([name for name in '{heavy}'.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
