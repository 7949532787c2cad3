"""How numbers, names and tables of the paper are written in LaTeX."""
import re

SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
           "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}
ABSENT = "--"


def escaped(text):
    return "".join(SPECIAL.get(character, character) for character in str(text))


def code(text):
    """In a typewriter's letters; it may break behind what joins options, and two dashes stay two."""
    broken = re.sub(r"([:,;=/])", r"\1\\allowbreak{}", escaped(text))
    return r"\texttt{" + broken.replace("--", "-{}-") + "}"


def number(value, digits=0):
    """With a thin space between thousands."""
    return ABSENT if value is None else f"{value:,.{digits}f}".replace(",", r"\,")


def percent(share, digits=0):
    return ABSENT if share is None else f"{100 * share:.{digits}f}"


def band(low, high, digits):
    return f"{low:.{digits}f}--{high:.{digits}f}"


def amount(value):
    """A count or a number of bytes, short: 26.5M."""
    if value is None:
        return ABSENT
    for unit, factor in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def listed(names, most=6):
    """"a, b and c"; of many the first, and how many more."""
    names = list(names)
    if not names:
        return "none"
    shown = [code(name) for name in names[:most]]
    if len(names) > most:
        return ", ".join(shown) + f" and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def table(columns, header, groups):
    """A tabular; `columns` as LaTeX has them, a line between two of the groups of rows."""
    lines = [r"\begin{tabular}{@{}" + columns + "@{}}", r"\toprule", " & ".join(header) + r" \\", r"\midrule"]
    for index, rows in enumerate(group for group in groups if group):
        lines += [r"\midrule"] if index else []
        lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"
