"""Workloads, synthetic against real PHP: sizes and lifetimes of each generator and of the program it stands for."""
import json
import pathlib

import card_figure
import figure_data as data
import workload_cards as cards
from measured_runs import ROOT


def _read(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def draw(results):
    data.need(results.cards, "a folder that scripts/characterise wrote (distances.json)")
    pairs = _read(results.cards / "distances.json")["pairs"]
    data.need(pairs, f"a pair of generator and program in {results.cards}/distances.json")
    calibration = _read(ROOT / "workloads/php-calibration.json")
    bins = calibration["bins"]
    programs = {name: cards.measured(program, bins) for name, program in calibration["programs"].items()}
    titles = {title for pair in pairs for title in (pair["workload"], f"trace {pair['recording']}")}
    paths = {title: results.cards / cards.file_name(title) for title in sorted(titles)}
    summaries = {title: _read(path) for title, path in paths.items() if path.exists()}
    data.need(all(pair["workload"] in summaries and pair["program"] in programs for pair in pairs), f"the cards of {results.cards}/distances.json")
    return card_figure.drawn(pairs, summaries, programs, bins), card_figure.caption(pairs, summaries), ()
