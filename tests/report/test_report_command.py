from typer.testing import CliRunner

from p5rec.cli.report import app
from p5rec.report.files import write_report


def test_it_prints_the_table_and_the_paths_of_the_pages(method, report, tmp_path):
    write_report(report(method("small", {"HR@10": 0.2, "NDCG@10": 0.1})), tmp_path)
    for name in ("report.md", "report.html"):
        (tmp_path / name).unlink()
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0
    assert "small   .2000  [.1900, .2100]" in result.stdout
    assert f"page: {tmp_path / 'report.html'}" in result.stdout
    assert f"as text: {tmp_path / 'report.md'}" in result.stdout
    assert not (tmp_path / "report.html").exists()
    for words in (
        [str(tmp_path), "--rebuild"],
        ["--rebuild", str(tmp_path)],
        ["show", str(tmp_path)],
    ):
        assert CliRunner().invoke(app, words).stdout == result.stdout
    assert (tmp_path / "report.md").exists()
    assert (tmp_path / "report.html").exists()
    assert "RUN_FOLDER [--rebuild] | diff A B" in CliRunner().invoke(app, ["--help"]).stdout
