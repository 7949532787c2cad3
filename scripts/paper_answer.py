"""The threshold answer for the paper: scripts/recommend's, on the sweep of policy epoch, with what was held out."""
import dataclasses
import fnmatch

import paper_sources
from measured_runs import counted
from paper_text import code, listed, percent
from recommendation import Answer, answer, held_out_regret, measure, regret

POLICY = "epoch"
# Recorded PHP, and a family of generators that took no part in anything before.
HELD_OUT = "trace:*;cli-orm*"


@dataclasses.dataclass(frozen=True)
class Answered:
    found: Answer
    limit_ms: float
    slack: float  # percent
    held_out: list
    shown: int  # the chosen cell; without one the cell with the shortest pause
    regret: dict
    held_out_regret: dict

    @property
    def is_chosen(self):
        return self.found.choice >= 0

    @property
    def what(self):
        return "the recommended cell" if self.is_chosen else "the cell with the shortest pauses, for none was chosen"

    @property
    def headline(self):
        cells = self.found.measured.cells
        if not self.is_chosen:
            nearest = int(self.found.pause_ms.argmin())
            return (f"No cell is within {self.slack:g}\\,\\% of the best CPU time with a 99th percentile of pauses of at most {self.limit_ms:g}\\,ms; "
                    f"the shortest is {self.found.pause_ms[nearest]:.3f}\\,ms, of {code(cells[nearest])}.")
        chosen = f"The recommendation is {code(cells[self.found.choice])}, which {percent(self.found.choice_share[self.found.choice])}\\,\\% of the replicates choose"
        among = self.found.covering
        return f"{chosen}." if among == [self.found.choice] else f"{chosen}; ninety percent of them choose among {listed((cells[cell] for cell in among), 16)}."

    @property
    def trust(self):
        runs = self.found.deciding_runs
        return (f"With only {counted(runs, 'run')} in the deciding cell that has fewest, its intervals are too narrow to trust."
                if runs < 10 else f"Every cell that decides has at least {runs} runs.")


def of_paper(runs, held_out=HELD_OUT):
    """The answer on `runs`, those of `held_out` ("A;B", patterns) taken out; patterns that nothing matches hold nothing out."""
    recommend = paper_sources.script("recommend")
    limit_ms, slack = (float(recommend.DEFAULTS[name]) for name in ("pause-limit", "cpu-slack"))
    swept = [run for run in runs if run.policy == POLICY and run.pacing]
    patterns = [p for p in held_out.split(";") if p and any(fnmatch.fnmatchcase(run.workload, p) for run in swept)]
    kept, held = recommend.divided(swept, patterns)
    found = answer(measure(kept), limit_ms, slack / 100)
    shown = found.choice if found.choice >= 0 else int(found.pause_ms.argmin())
    checked = held_out_regret(measure(held), found.measured.cells[shown]) if held else {}
    return Answered(found, limit_ms, slack, list(dict.fromkeys(run.workload for run in held)), shown, regret(found.measured, shown), checked)
