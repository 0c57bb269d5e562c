"use strict";
// Adds sorting, searching and folding to tables that are complete without it.
// Texts are taken from the page as they stand and never parsed as HTML.
(() => {
  const $ = (id) => document.getElementById(id);

  // sortHead makes the heads of a table sort it: first click the largest first
  // (texts: A first), second click the other way round.
  const sortHead = (table, apply) => {
    const heads = [...table.tHead.rows[0].cells];
    let cell = -1; // a head over a bar and its figure stands for the figure
    heads.forEach((th, column) => {
      cell += th.colSpan;
      const at = cell;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = th.textContent;
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const first = th.classList.contains("n") ? "descending" : "ascending";
        const other = first === "descending" ? "ascending" : "descending";
        const order = th.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", order);
        apply(column, order === "ascending" ? 1 : -1, at);
      });
    });
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
    return a < b ? -1 : a > b ? 1 : 0;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const value = (row, at) => {
      const cell = row.cells[at];
      if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
      return cell.textContent === "" ? null : cell.textContent;
    };
    sortHead(table, (column, sign, at) => {
      const sorted = rows.slice().sort((a, b) => sign * compare(value(a, at), value(b, at)));
      body.replaceChildren(...sorted);
    });
  }

  const table = $("pt");
  if (!table) return;
  const data = JSON.parse($("data").textContent).patterns;
  const body = table.tBodies[0];
  const nodes = [...body.rows].map((tr, i) => ({
    tr, i, kids: [], open: false, twist: null,
    parent: data.parents[i],
    values: data.rows[i],
    text: "",
  }));
  const roots = [];
  for (const n of nodes) (n.parent < 0 ? roots : nodes[n.parent].kids).push(n);

  const page = 250; // rows added at a time
  let mode = "tree", query = "", column = -1, sign = -1, limit = page;

  const value = (n) => (column === 0 ? n.tr.cells[0].textContent : n.values[column - 1]);
  const sorted = (list) => {
    if (column < 0) return list;
    return list.slice().sort((a, b) => sign * compare(value(a), value(b)) || a.i - b.i);
  };

  const setOpen = (n, open) => {
    n.open = open;
    if (n.twist) n.twist.setAttribute("aria-expanded", String(open));
  };

  const draw = () => {
    let list = [];
    if (query) {
      list = sorted(nodes.filter((n) => (n.text ||= n.tr.textContent.toLowerCase()).includes(query)));
    } else if (mode === "list") {
      list = sorted(nodes.filter((n) => data.leaf[n.i]));
    } else {
      const walk = (level) => {
        for (const n of sorted(level)) {
          list.push(n);
          if (n.open) walk(n.kids);
        }
      };
      walk(roots);
    }
    const asList = query !== "" || mode === "list";
    table.className = asList ? "list" : "tree";
    body.replaceChildren(...list.slice(0, limit).map((n) => n.tr));
    $("more").parentNode.hidden = list.length <= limit;
    $("more").textContent = "Show more (" + (list.length - limit) + " left)";
    $("found").textContent = asList ? list.length + (list.length === 1 ? " pattern" : " patterns") : "";
  };

  // Open what holds much of the whole, as far as it fits a screen.
  const bytes = data.columns.indexOf("bytes");
  const whole = roots.reduce((sum, n) => sum + n.values[bytes], 0);
  let room = Math.max(40 - roots.length, 16);
  const few = 12;
  for (const n of nodes) {
    if (n.kids.length === 0) continue;
    const twist = document.createElement("button");
    twist.type = "button";
    twist.className = "twist";
    twist.setAttribute("aria-label", "Patterns under " + n.tr.cells[0].textContent);
    twist.addEventListener("click", () => {
      setOpen(n, !n.open);
      draw();
      twist.focus();
    });
    n.twist = twist;
    n.tr.cells[0].prepend(twist);
    const shown = n.parent < 0 || nodes[n.parent].open;
    const open = shown && n.values[bytes] >= whole * 0.02 && n.kids.length <= Math.min(few, room);
    if (open) room -= n.kids.length;
    setOpen(n, open);
  }
  nodes.forEach((n) => { if (!/\bl\d/.test(n.tr.className)) n.tr.classList.add("l0"); });

  const setMode = (m) => {
    mode = m;
    limit = page;
    $("tree").setAttribute("aria-pressed", String(m === "tree"));
    $("flat").setAttribute("aria-pressed", String(m === "list"));
    $("open").hidden = $("close").hidden = m === "list";
    draw();
  };
  $("tree").addEventListener("click", () => setMode("tree"));
  $("flat").addEventListener("click", () => setMode("list"));
  for (const [id, open] of [["open", true], ["close", false]]) {
    $(id).addEventListener("click", () => {
      nodes.forEach((n) => setOpen(n, open && n.kids.length > 0));
      limit = page;
      draw();
    });
  }
  $("more").addEventListener("click", () => { limit += 4 * page; draw(); });
  $("q").addEventListener("input", () => {
    query = $("q").value.trim().toLowerCase();
    limit = page;
    draw();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && document.activeElement !== $("q")) {
      e.preventDefault();
      $("q").focus();
    }
  });
  sortHead(table, (c, s) => { column = c; sign = s; draw(); });
  // A sheet of paper has room for every open row.
  addEventListener("beforeprint", () => { limit = Infinity; draw(); });
  for (const e of document.querySelectorAll(".js")) e.hidden = false;
  draw();
})();
