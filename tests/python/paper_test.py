"""The paper: no number is typed into its text, every key is known, constants are those of the sources."""
import os
import pathlib
import re

import pytest

import configurations
import paper_sources
import paper_text
from measured_runs import BadInput

ROOT = pathlib.Path(os.environ.get("SAPIMEM_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
SECTIONS = sorted((ROOT / "paper/sections").glob("*.tex"))
# What takes its argument as a key, a label or a file.
KEYED = re.compile(r"\\(?:result|design|cite|ref|label|input|rulename|ifmeasured|widefigure|tablehere|widetable|setlength\{\\\w+\})\{[^}]*\}")
# Numerals that are no results: the numeral with its surroundings, and where it is defined (a file and what it says there) or why it is none.
ALLOWED = {
    r"PHP~8\.2": ("scripts/setup", "php8.2-cli"),
    r"\b16-byte\b": ("lib/mm/include/sapimem/object.h", "16"),
    r"aligned\s+to 16 bytes": ("lib/mm/include/sapimem/object.h", "16"),
    r"95\\,\\%": ("scripts/intervals.py", "level=0.95"),
    r"99th": ("scripts/recommend", "p99"),
}


def without_keys(text):
    return KEYED.sub("", re.sub(r"(?<!\\)%.*", "", text))


def typed(text):
    """Numerals in a section that are neither made nor allowed."""
    text = without_keys(text)
    for pattern in ALLOWED:
        text = re.sub(pattern, "", text)
    return re.findall(r".{0,30}\d.{0,30}", text)


@pytest.mark.parametrize("path", SECTIONS, ids=lambda path: path.name)
def test_no_number_is_typed(path):
    assert typed(path.read_text(encoding="utf-8")) == []


def test_a_typed_number_is_found():
    assert typed(r"it takes 0.96 of \result{a.cpu}") and typed(r"with 30\,\% less") and typed("x\n7 of them")
    assert typed(r"\design{block-kib}\,KiB, R\result{x9}, \cite{zhao2022lxr}, PHP~8.2, a 16-byte header % 7") == []


@pytest.mark.parametrize("pattern", ALLOWED)
def test_what_is_allowed_is_used_and_defined(pattern):
    path, says = ALLOWED[pattern]
    assert says in (ROOT / path).read_text(encoding="utf-8")
    assert any(re.search(pattern, path.read_text(encoding="utf-8")) for path in SECTIONS)


@pytest.mark.parametrize("name", paper_sources.CONSTANTS)
def test_a_constant_is_found_in_its_source(name):
    assert paper_sources.constant(name) > 0


def test_constants_are_read_as_the_sources_write_them():
    assert [paper_sources.value_of(text) for text in ("64 * 1024,", "(UINT64_C(512) << 10)", "4M\"", "0.10\"", "10001u", "nothing")] == [
        65536, 524288, 4 * 2**20, 0.1, 10001, None]
    assert (paper_sources.constant("block-kib"), paper_sources.constant("zend-bins"), paper_sources.constant("zend-roots")) == (64, 30, 10001)


def test_every_section_is_in_the_paper_and_every_citation_in_its_references():
    paper = (ROOT / "paper/sapimem.tex").read_text(encoding="utf-8")
    references = (ROOT / "paper/references.bib").read_text(encoding="utf-8")
    for path in SECTIONS:
        assert f"\\input{{sections/{path.stem}}}" in paper
        for keys in re.findall(r"\\cite\{([^}]*)\}", path.read_text(encoding="utf-8")):
            for key in keys.split(","):
                assert f"{{{key}," in references, f"{path.name}: {key}"


def test_a_missing_file_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(BadInput, match=r"epoch\.jsonl\.xz is missing: it is made by harness sweep"):
        paper_sources.read(tmp_path, tmp_path / "policy-table.json")


def test_names_are_safe_in_latex():
    assert paper_text.escaped("50%_a&b") == r"50\%\_a\&b"
    assert paper_text.code("--out=x") == r"\texttt{-{}-out=\allowbreak{}x}"
    assert configurations.workload_name("trace:/a/b/react-http.sapitrace.zst,repeat=3") == "trace react-http,repeat=3"
    assert paper_text.number(1234567) == r"1\,234\,567" and paper_text.number(None) == "--"
