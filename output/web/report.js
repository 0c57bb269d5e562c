"use strict";
// Tables: sorting, searching, folding. Whatever is a name is set as text and
// never parsed as HTML. The page's tables are readable without any of this.

const $ = (id) => document.getElementById(id);

const make = (tag, className, text) => {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
};

const makeButton = (text, click) => {
  const b = make("button", "", text);
  b.type = "button";
  b.addEventListener("click", click);
  return b;
};

// Numbers in words, as output/units.go has them; a test holds the two against
// each other.

const fixed = (x, digits) => {
  const scale = 10 ** digits, low = Math.floor(x * scale);
  // What is truly halfway goes to the even digit; toFixed would go up.
  const halfway = Number.isInteger(x * 2 ** (digits + 1)) && x * scale - low === 0.5;
  return (halfway ? (low + (low % 2)) / scale : x).toFixed(digits);
};

const bytesText = (n) => {
  if (n < 0) return "-" + bytesText(-n);
  if (n < 1024) return n + " B";
  let f = n / 1024, i = 0;
  while (f >= 1023.5 && i < 5) {
    f /= 1024;
    i++;
  }
  return fixed(f, f < 9.995 ? 2 : f < 99.95 ? 1 : 0) + " " + "KMGTPE"[i] + "iB";
};

const countText = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

const shareText = (f) => {
  const p = Number(f.toPrecision(6)) * 100;
  if (p < 0) return "-" + shareText(-f);
  if (p === 0) return "0 %";
  if (p < 0.1) return "<0.1 %";
  if (p < 9.95) return fixed(p, 1) + " %";
  if (p < 100 && p >= 99.5) return ">99 %";
  return fixed(p, 0) + " %";
};

const secondsText = (s) => {
  const units = [[31536000, "y"], [86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  if (s < 0) return "-" + secondsText(-s);
  for (const [i, [size, name]] of units.entries()) {
    if (s < size) continue;
    const rest = i + 1 < units.length ? Math.floor((s % size) / units[i + 1][0]) : 0;
    return Math.floor(s / size) + name + (rest > 0 ? " " + rest + units[i + 1][1] : "");
  }
  return "0s";
};

const inWords = { bytes: bytesText, count: countText, share: shareText, seconds: secondsText };
// Changes are printed with their sign.
const signed = (n, text) => (n > 0 ? "+" : "") + (n < 0 ? "-" + text(-n) : text(n));
const hasSign = (column) => /(_change|per_hour)$|^growth$/.test(column);
const plural = (n, noun) => countText(n) + " " + noun + (n === 1 ? "" : "s");

// sortHead makes the heads of a table sort it: first click the largest first
// (texts: A first), second click the other way round.
const sortHead = (table, apply) => {
  const heads = [...table.tHead.rows[0].cells];
  let cell = -1; // a head over a bar and its figure stands for the figure
  heads.forEach((th, column) => {
    cell += th.colSpan;
    const at = cell;
    th.replaceChildren(makeButton(th.textContent, () => {
      const first = th.classList.contains("n") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = th.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", order);
      apply(column, order === "ascending" ? 1 : -1, at);
    }));
  });
};

const compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return a < b ? -1 : a > b ? 1 : 0;
};

const cellValue = (row, at) => {
  const cell = row.cells[at];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  return cell.textContent === "" ? null : cell.textContent;
};

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  sortHead(table, (column, sign, at) => {
    body.replaceChildren(...rows.slice().sort((a, b) => sign * compare(cellValue(a, at), cellValue(b, at))));
  });
}

// The pattern table is made of the page's data, a row when it is first seen.
const patterns = (() => {
  const data = JSON.parse($("data").textContent).patterns;
  if (!data) return null;
  const table = $("pt"), body = table.tBodies[0];
  const at = Object.fromEntries(data.columns.map(([name], i) => [name, i]));
  const nodes = data.names.map((name, i) => ({
    i, name, stem: name.slice(0, data.stems[i]), label: name.slice(data.stems[i]),
    parent: data.parents[i], values: data.rows[i], kids: [], level: 0, open: false, tr: null, text: "",
  }));
  const roots = [];
  let largest = 1e-12;
  for (const n of nodes) {
    const above = nodes[n.parent];
    (above ? above.kids : roots).push(n);
    n.level = above ? above.level + 1 : 0;
    if ("share" in at) largest = Math.max(largest, n.values[at.share]);
  }
  const get = (n, column) => (column in at ? n.values[at[column]] : null);
  const ratio = (n, column) => (n.values[at.bytes] ? n.values[at[column]] / n.values[at.bytes] : 0);

  const page = 250; // rows added at a time
  let mode = "tree", query = "", column = -1, sign = -1, limit = page;

  const setOpen = (n, open) => {
    n.open = open;
    const twist = n.tr && n.tr.querySelector(".twist");
    if (twist) twist.setAttribute("aria-expanded", String(open));
  };

  const rowOf = (n) => {
    if (n.tr) return n.tr;
    const tr = make("tr", "l" + Math.min(n.level, 8));
    const th = make("th");
    th.scope = "row";
    if (n.kids.length > 0) {
      const twist = makeButton("", () => {
        setOpen(n, !n.open);
        draw();
        twist.focus();
      });
      twist.className = "twist";
      twist.setAttribute("aria-label", "Patterns under " + n.name);
      twist.setAttribute("aria-expanded", String(n.open));
      th.append(twist);
    }
    th.append(make("span", "", n.stem), n.label);
    if (n.name.length > 30) th.title = n.name;
    tr.append(th);
    data.columns.forEach(([name, kind], j) => {
      const v = n.values[j];
      const td = make("td");
      if (name === "share") {
        const share = v > 0 ? Math.max(1, Math.floor((v / largest) * 100 + 0.5)) : 0;
        const bar = make("td");
        bar.append(make("i", "b" + Math.min(share, 100)));
        tr.append(bar);
      }
      if (kind === "text" || kind === "name") {
        td.className = "t";
        td.textContent = v;
        if (v && v.length > 20) td.title = v;
      } else if (name === "no_ttl_bytes") {
        td.textContent = shareText(ratio(n, name));
        td.title = bytesText(v);
      } else if (v !== null) {
        td.textContent = hasSign(name) ? signed(v, inWords[kind]) : inWords[kind](v);
        if (name === "max_bytes") td.title = data.max_keys[n.i];
      }
      tr.append(td);
    });
    return (n.tr = tr);
  };

  const value = (n) => {
    if (column === 0) return n.name;
    return data.columns[column - 1][0] === "no_ttl_bytes" ? ratio(n, "no_ttl_bytes") : n.values[column - 1];
  };
  const sorted = (list) => {
    if (column < 0) return list;
    return list.slice().sort((a, b) => sign * compare(value(a), value(b)) || a.i - b.i);
  };
  const matches = (n) => {
    n.text ||= [n.name, ...n.values.filter((v) => typeof v === "string")].join("\n").toLowerCase();
    return n.text.includes(query);
  };

  const listed = () => {
    if (query) return sorted(nodes.filter(matches));
    if (mode === "list") return sorted(nodes.filter((n) => data.leaf[n.i]));
    const list = [];
    const walk = (level) => {
      for (const n of sorted(level)) {
        list.push(n);
        if (n.open) walk(n.kids);
      }
    };
    walk(roots);
    return list;
  };

  const draw = () => {
    const list = listed();
    const asList = query !== "" || mode === "list";
    table.className = asList ? "list" : "tree";
    body.replaceChildren(...list.slice(0, limit).map(rowOf));
    $("more").parentNode.hidden = list.length <= limit;
    $("more").textContent = "Show more (" + countText(list.length - limit) + " left)";
    $("found").textContent = asList ? plural(list.length, "pattern") : "";
  };

  const setMode = (m) => {
    mode = m;
    limit = page;
    $("tree").setAttribute("aria-pressed", String(m === "tree"));
    $("flat").setAttribute("aria-pressed", String(m === "list"));
    $("open").hidden = $("close").hidden = m === "list";
    draw();
  };

  // reveal shows the row of a node in the tree.
  const reveal = (n) => {
    query = $("q").value = "";
    for (let above = nodes[n.parent]; above; above = nodes[above.parent]) setOpen(above, true);
    setMode("tree");
    limit = Math.max(limit, listed().indexOf(n) + 1);
    draw();
    n.tr.scrollIntoView({ block: "center" });
    n.tr.classList.add("found");
    setTimeout(() => n.tr.classList.remove("found"), 2500);
  };

  // Open what holds much of the whole, as far as it fits a screen.
  let room = Math.max(40 - roots.length, 16);
  for (const n of nodes) {
    const shown = n.parent < 0 || nodes[n.parent].open;
    if (n.kids.length === 0 || !shown || get(n, "bytes") < data.bytes * 0.02 || n.kids.length > Math.min(12, room)) continue;
    n.open = true;
    room -= n.kids.length;
  }

  $("tree").addEventListener("click", () => setMode("tree"));
  $("flat").addEventListener("click", () => setMode("list"));
  for (const [id, open] of [["open", true], ["close", false]]) {
    $(id).addEventListener("click", () => {
      nodes.forEach((n) => setOpen(n, open && n.kids.length > 0));
      limit = page;
      draw();
    });
  }
  $("more").addEventListener("click", () => {
    limit += 4 * page;
    draw();
  });
  $("q").addEventListener("input", () => {
    query = $("q").value.trim().toLowerCase();
    limit = page;
    draw();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      $("q").focus();
    }
  });
  sortHead(table, (c, s) => {
    column = c;
    sign = s;
    draw();
  });
  // A sheet of paper has room for more open rows, but not for thousands.
  addEventListener("beforeprint", () => {
    limit = Math.max(limit, 500);
    draw();
  });
  draw();
  return { nodes, roots, get, ratio, reveal, bytes: data.bytes, has: (name) => name in at };
})();

for (const e of document.querySelectorAll(".js")) e.hidden = false;
