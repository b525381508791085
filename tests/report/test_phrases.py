"""The legend of a report, and its run time."""

from __future__ import annotations

from p5rec.report.markdown import page as markdown
from p5rec.report.page import page
from p5rec.report.phrases import legend, run_time
from p5rec.report.terminal import table


def test_the_legend_explains_what_follows_a_name(method, report):
    plain = report(method("m", {"HR@10": 0.1}, "sequential-next"))
    assert "lists" not in legend(plain)
    assert "famil" not in legend(plain)
    made = report(
        method("m (first)", {"HR@10": 0.1}, "sequential-next", about={"family": "first"}),
        method("m (second)", {"HR@10": 0.2}, "sequential-next", about={"family": "second"}),
        method("m (lists)", {"HR@10": 0.3}, "sequential-next"),
    )
    assert "(lists): the method's ranked lists" in legend(made)
    assert "A prompt family in parentheses" in legend(made)
    for shown in (markdown(made), table(made), page(made, None)):
        assert "A prompt family in parentheses" in " ".join(shown.split())


def test_names_that_do_not_fit_keep_both_ends(method, report):
    names = [f"a-method-of-a-long-recipe (sequential-{n})" for n in ("next", "last")]
    lines = table(report(*(method(name, {"HR@10": 0.1}) for name in names)))
    assert "sequential-next)" not in lines
    assert "-next)" in lines
    assert "-last)" in lines


def test_the_run_time_is_a_sum_only_where_stages_ran_in_parallel(method, report):
    def told(seconds, clock):
        made = report(method("m", {"HR@10": 0.1}))
        return run_time(made.model_copy(update={"seconds": seconds, "clock_seconds": clock}))

    assert told(12.5, None) == "12.5 s"
    assert told(369.0, 368.9) == "369 s"
    assert told(458.0, 369.0) == "369 s on the clock (458 s summed over the parallel stages)"


def test_the_number_of_training_processes_is_in_the_provenance(method, report):
    trained = {"training_processes": {"small": 2, "sasrec": 1}}
    made = report(method("m", {"HR@10": 0.1})).model_copy(update={"manifest": trained})
    assert "- training processes: small 2, sasrec 1\n" in markdown(made)
    assert "Training processes: small 2, sasrec 1." in page(made, None)
