"""The paper's figures and its typesetting, in a folder of its own."""
import os
import re
import shutil
import subprocess

import paper_numbers
import result_set
from configurations import workload_name
from measured_runs import ROOT, BadInput, Skip, writable_folder, write_whole
from paper_text import escaped

PROGRAMS = ("pdflatex", "latexmk", "bibtex")
# Figure: bundle it is drawn from.
FIGURES = {"pareto": "epoch", "pause-ccdf": "rivals", "bmu": "rivals", "lbo-cpu": "rivals", "backlog": "stalls", "scaling": "scaling"}
# A page has room for so many panels; these first, the others in the order in which they come.
PANELS = 6
SHOWN_FIRST = ("cli-queue", "cli-eventloop", "cli-ast", "cli-orm", "cli-cache", "fpm-page")
# Of the results no date is kept that would be the paper's.
EPOCH_OF_SOURCE = "0"
STICKS_OUT = re.compile(r"^Overfull \\hbox \((\d+\.\d+)pt too wide\) (.*)$", re.MULTILINE)
STICKS_OUT_MAX_PT = 5.0


def need_latex():
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed; see scripts/setup paper")


def prepare(out):
    """The folder in which LaTeX works, with the paper's own files; what an earlier build left there is gone."""
    folder = writable_folder(out) / "tex"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("tables", "figures", "sections"):
        (folder / part).mkdir(parents=True)
    for path in (ROOT / "paper").rglob("*"):
        if path.suffix in (".tex", ".bib"):
            shutil.copyfile(path, folder / path.relative_to(ROOT / "paper"))
    return folder


# ---- Figures ----


def panel_workloads(runs):
    """Workloads whose runs a figure shows: all that there is room for, else of those that have a lower bound, for the others have no overhead."""
    there = list(dict.fromkeys(run.workload for run in runs))
    if len(there) <= PANELS:
        return there
    without = set(paper_numbers.unbounded(runs))
    there = [workload for workload in there if workload not in without]
    first = [workload for name in SHOWN_FIRST for workload in there if workload.partition(":")[0] == name]
    return [*first, *(workload for workload in there if workload not in first)][:PANELS]


def draw_figures(sources, folder):
    """figures/NAME.tex for each, whether it could be drawn or not."""
    for bundle in dict.fromkeys(FIGURES.values()):
        runs = getattr(sources, bundle)
        if runs is None:
            continue
        shown = panel_workloads(runs)
        packed = folder / f"{bundle}.jsonl.xz"
        result_set.pack(packed, (renamed(run) for run in runs if run.workload in shown))
        names = [name for name, of in FIGURES.items() if of == bundle]
        done = subprocess.run([ROOT / "scripts/plot", packed, f"--out={folder}/figures", f"--only={';'.join(names)}", "--bare"],
                              capture_output=True, text=True)
        left_out = len({run.workload for run in runs}) - len(shown)
        for name in names:
            write_whole(folder / f"figures/{name}.tex", figure(folder, name, len(shown), left_out, done.stderr))


def renamed(run):
    """Its document, the workload named as in the text: where a trace lay says nothing."""
    return dict(run.document, cell=dict(run.cell, workload=workload_name(run.workload)))


def figure(folder, name, shown, left_out, said):
    """The figure with plot's caption; where it was not drawn, a line that says why."""
    if not (folder / f"figures/{name}.pdf").exists():
        why = next((line.partition(" is not drawn, ")[2] for line in said.splitlines() if f" {name} is not drawn" in line), "")
        if not why:
            raise BadInput(f"scripts/plot --only={name}: {said.strip().splitlines()[-1] if said.strip() else 'no figure'}")
        return f"\\caption{{Not drawn: {escaped(why)}.}}\n"
    caption = (folder / f"figures/{name}.txt").read_text(encoding="utf-8").strip()
    others = f" {shown} workloads of {shown + left_out} are shown." if left_out else ""
    return f"\\includegraphics[width=\\textwidth,height=.42\\textheight,keepaspectratio]{{figures/{name}.pdf}}\n\\caption{{{escaped(caption + others)}}}\n"


# ---- LaTeX ----


def typeset(folder):
    """(path of the PDF, its pages); what LaTeX refuses, or lays out badly, is BadInput."""
    environment = dict(os.environ, SOURCE_DATE_EPOCH=EPOCH_OF_SOURCE, FORCE_SOURCE_DATE="1", max_print_line="1000")
    done = subprocess.run(["latexmk", "-pdf", "-halt-on-error", "-interaction=nonstopmode", "-norc", "sapimem.tex"], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    log_path = folder / "sapimem.log"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else done.stdout
    if done.returncode != 0:
        first = next((line for line in log.splitlines() if line.startswith("!")), f"latexmk: exit status {done.returncode}")
        raise BadInput(f"LaTeX: {first.lstrip('! ')}; {log_path} has the rest")
    for wrong in (*undefined(log), *sticking_out(log)):
        raise BadInput(f"LaTeX: {wrong}; {log_path} has the rest")
    pdf = folder.parent / "sapimem.pdf"
    (folder / "sapimem.pdf").replace(pdf)
    return pdf, int(re.search(r"Output written on .*?\((\d+) pages?", log)[1])


def undefined(log):
    return re.findall(r"(?:Reference|Citation) `[^']*' .*?undefined", log)


def sticking_out(log):
    return [f"a box is {width} pt too wide, {where}" for width, where in STICKS_OUT.findall(log) if float(width) > STICKS_OUT_MAX_PT]
