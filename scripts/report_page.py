"""One self-contained HTML page: no request leaves it, so it can be mailed, archived, and opened years later."""
import base64
import html

MIME_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}

STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --faint: #5a5a5a; --line: #d8d8d8; --band: #f4f6f8; --accent: #0072b2; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); margin: 0 auto; max-width: 1440px; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid var(--accent); padding-bottom: .2rem; }
p.lead, figcaption, .note { color: var(--faint); }
nav a { margin-right: 1.2rem; color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .28rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { background: var(--band); position: sticky; top: 0; }
th.text, td.text { text-align: left; }
tbody tr:hover { background: var(--band); }
table.sortable th button { all: unset; cursor: pointer; font-weight: 600; }
table.sortable th button:focus-visible { outline: 2px solid var(--accent); }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
tr.failed td { color: #a33b00; }
figure { margin: 1.2rem 0 2rem; }
figure img { max-width: 100%; height: auto; border: 1px solid var(--line); }
figcaption { max-width: 60rem; font-size: .88rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; font-size: .88rem; }
dt { color: var(--faint); } dd { margin: 0; }
input[type=search] { font: inherit; padding: .3rem .5rem; width: 20rem; max-width: 100%; margin-bottom: .5rem; }
"""

SCRIPT = """
"use strict";
function cellValue(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value === "" ? null : Number(cell.dataset.value);
}
function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last either way
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b));
}
function sortBy(table, column) {
  const heads = table.tHead.rows[0].cells;
  const ascending = heads[column].getAttribute("aria-sort") !== "ascending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = Array.from(table.tBodies[0].rows);
  rows.sort((a, b) => compare(cellValue(a, column), cellValue(b, column), ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
}
function filterBy(table, text) {
  const words = text.toLowerCase().split(/\\s+/);
  for (const row of table.tBodies[0].rows) {
    const content = row.textContent.toLowerCase();
    row.hidden = !words.every(word => content.includes(word));
  }
}
for (const table of document.querySelectorAll("table.sortable"))
  Array.from(table.tHead.rows[0].cells).forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => sortBy(table, column)));
for (const input of document.querySelectorAll("input[type=search]"))
  input.addEventListener("input", () => filterBy(document.getElementById(input.dataset.table), input.value));
"""


def text(value):
    return html.escape(str(value))


def _cell(content):
    """A number, as (shown, value) with None for "not there", or a text."""
    if isinstance(content, tuple):
        shown, value = content
        return f'<td data-value="{"" if value is None else repr(float(value))}">{text(shown)}</td>'
    return f'<td class="text">{text(content)}</td>'


def table(name, header, rows):
    """Sortable; `header` is (title, whether a column of text), `rows` are (cells, whether the run failed)."""
    heads = "".join(
        f'<th{" class=text" if is_text else ""}><button type="button">{text(title)}</button></th>' for title, is_text in header
    )
    body = "".join(
        f'<tr{" class=failed" if failed else ""}>{"".join(map(_cell, cells))}</tr>\n' for cells, failed in rows
    )
    return (f'<div class="scroll"><table class="sortable" id="{text(name)}"><thead><tr>{heads}</tr></thead>'
            f"<tbody>\n{body}</tbody></table></div>")


def search_field(table_name):
    return f'<input type="search" data-table="{text(table_name)}" placeholder="filter rows" aria-label="filter rows">'


def figure(path, caption, name):
    """An image file, inside the page, which an address ends in as #figure-NAME."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (f'<figure id="figure-{text(name)}"><img alt="{text(caption)}" '
            f'src="data:{MIME_TYPES[path.suffix]};base64,{data}"><figcaption>{text(caption)}</figcaption></figure>')


def definitions(pairs):
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs) + "</dl>"


def page(title, lead, sections):
    """`sections` are (anchor, title, HTML)."""
    links = "".join(f'<a href="#{text(anchor)}">{text(heading)}</a>' for anchor, heading, _ in sections)
    body = "".join(
        f'<section id="{text(anchor)}"><h2>{text(heading)}</h2>\n{content}\n</section>\n' for anchor, heading, content in sections
    )
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(title)}</title>'
            f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>\n<body><h1>{text(title)}</h1>'
            f'<p class="lead">{text(lead)}</p><nav>{links}</nav>\n{body}<script>{SCRIPT}</script></body></html>\n')
