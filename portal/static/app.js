// Small comforts on top of pages that work without them.
document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    navigator.clipboard.writeText(source.textContent.trim()).then(() => {
      const label = copy.textContent;
      copy.textContent = copy.dataset.copied;
      setTimeout(() => { copy.textContent = label; }, 1500);
    });
  }
  // A menu closes when something else is clicked.
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});
// On a narrow screen a wide table reads as cards (app.css): each cell then says what it is.
function label(root) {
  for (const table of root.querySelectorAll(".table-wrap > table:not(.cards)")) {
    const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    table.setAttribute("role", "table");
    for (const row of table.querySelectorAll("tr")) {
      row.setAttribute("role", "row");
      [...row.cells].forEach((cell, place) => {
        const head = cell.closest("thead");
        cell.setAttribute("role", head ? "columnheader" : "cell");
        if (!head) cell.dataset.label = names[place] || "";
      });
    }
    for (const part of table.querySelectorAll("thead, tbody")) part.setAttribute("role", "rowgroup");
    table.classList.add("cards");
  }
}
label(document);
document.addEventListener("htmx:after:swap", () => label(document));
// A second click does not send a form twice; the server would answer it once anyway.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});
