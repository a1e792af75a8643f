// Columns sort where their head is clicked; buttons show some of the rows.
for (const head of document.querySelectorAll(".sortable th")) head.addEventListener("click", () => {
  const rows = head.closest("table").tBodies[0], down = head.dataset.down !== "yes";
  head.dataset.down = down ? "yes" : "";
  const value = row => {
    const text = row.cells[head.cellIndex].textContent, number = parseFloat(text);
    return text === "–" ? Infinity : Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => a < b ? 1 : a > b ? -1 : 0;
  const sorted = [...rows.rows].sort((a, b) => order(value(a), value(b)) * (down ? 1 : -1));
  sorted.forEach(row => rows.append(row));
});
for (const button of document.querySelectorAll("button[data-only]")) {
  const table = button.parentElement.querySelector(".sortable");
  const show = () => { table.className = "wide sortable " + button.dataset.only; };
  button.addEventListener("click", show);
}
