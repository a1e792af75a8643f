# SPDX-License-Identifier: Apache-2.0
"""The frame of report.html: plain HTML, CSS and a little script, nothing loaded from anywhere."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1c2024; --soft: #6b7178; --line: #e3e6ea; --paper: #fff; --tile: #f6f7f9; --bad: #d6363b;
  --good: #22863a; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e8eb; --soft: #969da5; --line: #2e3338; --paper: #141618; --tile: #1d2023; --bad: #ff6b70;
  --good: #56d364; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }}
h2 {{ font-size: 1.2rem; margin: 0 0 .8rem; }}
p, .note, .origin {{ margin: .6rem 0; }}
nav {{ display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin-top: 1rem; font-size: .875rem; }}
a {{ color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }}
.origin, .note, figcaption, .tiles span {{ color: var(--soft); font-size: .875rem; }}
section {{ margin-top: 2.75rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.75rem 0; }}
.tiles div {{ background: var(--tile); border-radius: .6rem; padding: 1rem 1.1rem; }}
.tiles .bad strong, .badge {{ color: var(--bad); }}
.tiles strong {{ display: block; font-size: 1.25rem; white-space: nowrap; font-weight: 600; letter-spacing: -.01em; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .9rem .35rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th {{ color: var(--soft); font-weight: 500; }}
th:first-child, td:first-child {{ text-align: left; }}
td.best {{ font-weight: 650; color: var(--good); }}
tr.silent td {{ color: var(--soft); }}
.sortable {{ max-height: 32rem; overflow-y: auto; }}
.sortable th {{ position: sticky; top: 0; background: var(--paper); cursor: pointer; user-select: none; }}
.sortable th::after {{ content: " ↕"; opacity: .4; }}
.only-false tr:not(.false) td, .only-silent tr:not(.silent) td {{ display: none; }}
.pair {{ display: flex; flex-wrap: wrap; gap: 1.5rem 4rem; align-items: flex-start; }}
button {{ font: inherit; font-size: .875rem; color: inherit; background: var(--tile); border: 1px solid var(--line); border-radius: .4rem;
  padding: .2rem .7rem; margin: 0 .4rem .8rem 0; cursor: pointer; }}
.badge {{ font-weight: 650; }}
tr.false td {{ color: var(--bad); }}
img {{ display: block; max-width: 100%; height: auto; margin: 0 auto; }}
figure {{ margin: 0 0 1.5rem; }}
figure img {{ width: 100%; border-radius: .4rem; }}
figcaption {{ margin-top: .4rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="origin">{origin}</p>
<nav>{links}</nav>
<div class="tiles">{tiles}</div>
{body}
<script>
for (const head of document.querySelectorAll(".sortable th")) head.addEventListener("click", () => {{
  const rows = head.closest("table").tBodies[0], down = head.dataset.down !== "yes";
  head.dataset.down = down ? "yes" : "";
  const value = row => {{
    const text = row.cells[head.cellIndex].textContent, number = parseFloat(text);
    return text === "–" ? Infinity : Number.isNaN(number) ? text : number;
  }};
  const order = (a, b) => a < b ? 1 : a > b ? -1 : 0;
  [...rows.rows].sort((a, b) => order(value(a), value(b)) * (down ? 1 : -1)).forEach(row => rows.append(row));
}});
for (const button of document.querySelectorAll("button[data-only]")) button.addEventListener("click", () => {{
  button.parentElement.querySelector(".sortable").className = "wide sortable " + button.dataset.only;
}});
</script>
</body>
</html>
"""
