// Pictures: the treemap of patterns, and charts of tables. Each stands above
// the table that it is drawn from. Tooltips, breadcrumbs and legends are of
// the page, with names set as text.

const theme = () => {
  const css = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "panel", "bar", "accent", "rest"];
  return Object.fromEntries(names.map((n) => [n, css.getPropertyValue("--" + n).trim()]));
};
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

// Colours of things that have no order. Neighbours differ in lightness too.
const typeColors = { string: "#3b82d6", list: "#8b6fd6", set: "#e39b35", zset: "#c9568a", hash: "#1fa090", stream: "#7ba651", module: "#8a7765" };
const encodingColors = {
  int: "#0b7285", embstr: "#4aa3df", raw: "#2f6fc4", listpack: "#179c8c", ziplist: "#5fb49c", intset: "#a3b61c",
  hashtable: "#e08a1e", skiplist: "#c2477f", quicklist: "#8b6fd6", linkedlist: "#6d597a", stream: "#7ba651", zipmap: "#b5838d",
};
// From nothing to all, for shares and ages: light to dark blue would be lost in
// dark mode, so from green by yellow to red.
const scale = ["#2a9d8f", "#6fae75", "#b5b04c", "#e9a13b", "#e4743a", "#d1495b"];

const first = (text) => (text || "").split(/[ ,]/)[0];
const mix = (a, b, part) => {
  const hex = (c, i) => parseInt(c.slice(1 + 2 * i, 3 + 2 * i), 16);
  return "#" + [0, 1, 2].map((i) => Math.round(hex(a, i) * (1 - part) + hex(b, i) * part).toString(16).padStart(2, "0")).join("");
};
const along = (part) => {
  const at = Math.min(Math.max(part, 0), 1) * (scale.length - 1), i = Math.min(Math.floor(at), scale.length - 2);
  return mix(scale[i], scale[i + 1], at - i);
};
// Text that is read on a colour: dark or light, whichever contrasts more.
const inkOn = (color) => {
  const [r, g, b] = [1, 3, 5].map((i) => (parseInt(color.slice(i, i + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.19 ? "#10151f" : "#ffffff";
};

// One tooltip for all pictures. It follows the pointer and is kept on the page.
const tip = (() => {
  const box = make("div", "tip");
  box.hidden = true;
  document.body.append(box);
  return {
    show(event, head, lines) {
      box.replaceChildren(make("b", "", head), ...lines.map((l) => make("span", "", l)));
      box.hidden = false;
      const x = Math.min(event.clientX + 14, document.documentElement.clientWidth - box.offsetWidth - 8);
      let y = event.clientY + 16;
      if (y + box.offsetHeight > innerHeight) y = event.clientY - box.offsetHeight - 12;
      box.style.left = Math.max(x, 8) + "px";
      box.style.top = Math.max(y, 8) + "px";
    },
    hide() { box.hidden = true; },
  };
})();

// A picture is drawn when it comes near the screen, and again when the
// colours change or its room does.
const pictures = [];
const picture = (box, option, ready) => {
  const p = {
    chart: null,
    draw() {
      if (!p.chart) {
        p.chart = rdbcharts.init(box, null, { renderer: "canvas" });
        p.chart.on("globalout", tip.hide);
        if (ready) ready(p.chart);
      }
      p.chart.setOption({ animation: !still, animationDuration: 250, animationDurationUpdate: 250, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...option(theme()) }, { notMerge: true });
      box.dataset.drawn = "yes";
    },
  };
  pictures.push(p);
  new ResizeObserver(() => p.chart && p.chart.resize()).observe(box);
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    watch.disconnect();
    if (!p.chart) p.draw();
  }, { rootMargin: "300px" });
  watch.observe(box);
  return p;
};
const redraw = () => pictures.forEach((p) => p.chart && p.draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => pictures.forEach((p) => p.draw()));
addEventListener("scroll", tip.hide, { passive: true });

// choice is a row of buttons of which one is pressed.
const choice = (box, label, options, pick) => {
  const group = make("span", "seg");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const buttons = options.map(([name, text], i) => {
    const b = makeButton(text, () => {
      buttons.forEach((o) => o.setAttribute("aria-pressed", String(o === b)));
      pick(name);
    });
    b.setAttribute("aria-pressed", String(i === 0));
    b.dataset.pick = name;
    return b;
  });
  group.append(...buttons);
  box.append(group);
};

if (patterns) (() => {
  const { nodes, roots, get, ratio } = patterns;
  const box = $("treemap"), crumbs = $("crumbs"), legend = $("legend"), info = $("info");
  const most = [100, 60]; // tiles of a level; the smaller ones share one
  const idle = (n) => get(n, "idle_p50_seconds");
  const ages = [[60, "1m"], [3600, "1h"], [86400, "1d"], [7 * 86400, "7d"], [30 * 86400, "30d"], [365 * 86400, "1y"]];
  const ageOf = (s) => {
    const i = ages.findIndex(([t]) => s < t);
    return (i < 0 ? ages.length : i) / ages.length;
  };
  const named = (column, colors) => ({
    color: (n, t) => colors[first(get(n, column)).split(":")[0]] || t.rest,
    legend: (shown, t) => {
      const sums = new Map();
      for (const n of shown) {
        const key = first(get(n, column)).split(":")[0];
        sums.set(key, (sums.get(key) || 0) + get(n, "bytes"));
      }
      return [...sums].sort((a, b) => b[1] - a[1]).map(([key]) => [colors[key] || t.rest, key || "other"]);
    },
  });
  const change = (n) => get(n, "bytes_change");
  // From -1, all is gone, to 1, all is new.
  const growth = (n) => change(n) / Math.max(get(n, "bytes"), get(n, "bytes") - change(n), 1);
  const cold = "#2f7fd1", hot = "#d1495b", calm = "#b9bfc9";
  const grown = (part) => (part < 0 ? mix(calm, cold, Math.sqrt(Math.min(-part, 1))) : mix(calm, hot, Math.sqrt(Math.min(part, 1))));
  const modes = {
    bytes_change: {
      text: "Growth",
      color: (n) => grown(growth(n)),
      legend: () => [[-0.5, "half of it went"], [-0.1, "-10 %"], [0, "the same"], [0.1 / 1.1, "+10 %"], [0.5, "doubled"], [1, "new"]].map(([g, text]) => [grown(g), text]),
      says: "bytes after against before",
    },
    types: { text: "Type", ...named("types", typeColors) },
    no_ttl_bytes: {
      text: "Without TTL",
      color: (n) => along(ratio(n, "no_ttl_bytes")),
      legend: () => [0, 0.2, 0.4, 0.6, 0.8, 1].map((f) => [along(f), shareText(f)]),
      says: "share of bytes without a TTL",
    },
    idle_p50_seconds: {
      text: "Idle",
      color: (n, t) => (idle(n) === null ? t.rest : along(ageOf(idle(n)))),
      legend: (_, t) => [...ages.map(([s, text], i) => [along(i / ages.length), "under " + text]), [along(1), "1y or more"], [t.rest, "unknown"]],
      says: "median time since the last access",
    },
    encodings: { text: "Encoding", ...named("encodings", encodingColors) },
  };
  let mode = null, at = null, picked = -1, shown = [];

  const bytesOf = (n) => (n ? get(n, "bytes") : patterns.bytes);
  const kidsOf = (n) => (n ? n.kids : roots);
  const facts = (n) => {
    const lines = [bytesText(get(n, "bytes")) + ", " + shareText(patterns.bytes ? get(n, "bytes") / patterns.bytes : 0) + " of all"];
    if (get(n, "keys") !== null) lines.push(plural(get(n, "keys"), "key") + (get(n, "avg_bytes") === null ? "" : ", " + bytesText(get(n, "avg_bytes")) + " on average"));
    if (change(n) !== null) lines.push(signed(change(n), bytesText) + (get(n, "status") ? ", " + get(n, "status") : "") + "; " + signed(get(n, "keys_change"), countText) + " keys");
    if (get(n, "bytes_per_hour") !== null) lines.push(signed(get(n, "bytes_per_hour"), bytesText) + " an hour");
    if (get(n, "full_in_seconds") !== null) lines.push("fills maxmemory alone in " + secondsText(get(n, "full_in_seconds")));
    if (get(n, "types")) lines.push(get(n, "types").replaceAll(",", ", ") + (get(n, "encodings") ? ": " + get(n, "encodings").replaceAll(",", ", ") : ""));
    if (patterns.has("no_ttl_bytes")) lines.push(shareText(ratio(n, "no_ttl_bytes")) + " without a TTL");
    if (get(n, "ttl_p50_seconds") !== null) lines.push("median TTL " + secondsText(get(n, "ttl_p50_seconds")));
    if (idle(n) !== null) lines.push("median idle time " + secondsText(idle(n)));
    if (get(n, "owner")) lines.push("owner " + get(n, "owner"));
    return lines;
  };

  // tiles are the children of a node as the library takes them; what is too
  // small for a tile, or left out of the page, shares one.
  const tiles = (parent, depth, t, count) => {
    const kids = kidsOf(parent).slice(0, most[depth]);
    let rest = bytesOf(parent);
    const list = kids.map((n) => {
      rest -= get(n, "bytes");
      const color = modes[mode].color(n, t);
      const ink = inkOn(color);
      const tile = { name: n.name, value: get(n, "bytes"), node: n.i, itemStyle: { color, borderColor: t.panel }, label: { color: ink }, upperLabel: { color: ink } };
      n.tile = ++count.n;
      if (depth === 0) shown.push(n);
      if (depth + 1 < most.length && n.kids.length > 0) {
        tile.itemStyle.borderColor = mix(color, ink === "#ffffff" ? "#000000" : "#ffffff", 0.25);
        tile.children = tiles(n, depth + 1, t, count);
      }
      return tile;
    });
    const more = kidsOf(parent).length - kids.length;
    if (rest > 0) {
      count.n++;
      const color = parent ? mix(modes[mode].color(parent, t), t.rest, 0.4) : t.rest;
      list.push({ name: more > 0 ? countText(more) + " smaller" : "smaller", value: rest, node: -1, itemStyle: { color, borderColor: t.panel }, label: { color: inkOn(color) } });
    }
    return list;
  };

  const say = (n) => {
    info.replaceChildren();
    if (!n) return;
    info.append(make("code", "", n.name), " " + facts(n).join("; ") + ". ");
    info.append(makeButton("Show in the table", () => patterns.reveal(n)));
  };

  const option = (t) => {
    shown = [];
    const data = tiles(at, 0, t, { n: 0 });
    const entries = modes[mode].legend(shown, t);
    legend.replaceChildren(...(modes[mode].says ? [make("span", "", modes[mode].says + ":")] : []), ...entries.map(([color, text]) => {
      const item = make("span", "", text);
      const chip = make("i");
      chip.style.background = color;
      item.prepend(chip);
      return item;
    }));
    const label = (p) => {
      const n = nodes[p.data.node];
      return (n ? n.label || n.name : p.name) + "\n" + bytesText(p.value);
    };
    return {
      series: [{
        type: "treemap", data, left: 0, top: 0, right: 0, bottom: 0, roam: false, nodeClick: false, breadcrumb: { show: false },
        visibleMin: 20, childrenVisibleMin: 200, squareRatio: 0.9,
        label: { formatter: label, fontSize: 12, lineHeight: 16, padding: [4, 5], overflow: "truncate", position: "insideTopLeft" },
        upperLabel: { show: true, height: 22, formatter: (p) => label(p).replace("\n", "  "), fontSize: 12, fontWeight: "bold", padding: [0, 5], overflow: "truncate" },
        itemStyle: { borderWidth: 1, gapWidth: 1 },
        emphasis: { itemStyle: { borderColor: t.ink, borderWidth: 2 }, label: {}, upperLabel: {} },
        levels: [{ itemStyle: { borderWidth: 0, gapWidth: 3, borderColor: t.panel }, upperLabel: { show: false } }, { itemStyle: { gapWidth: 1, borderWidth: 2 } }, { itemStyle: { borderWidth: 1 } }],
      }],
    };
  };

  const map = picture(box, option, (chart) => {
    chart.on("mousemove", (p) => {
      const n = p.data && nodes[p.data.node];
      if (n) tip.show(p.event.event, n.name, facts(n));
      else if (p.data && p.data.node === -1) tip.show(p.event.event, p.name, [bytesText(p.value)]);
      else tip.hide();
    });
    chart.on("click", (p) => {
      let n = p.data && nodes[p.data.node];
      if (!n) return;
      // A tile within a tile opens the outer one first, as one sees it.
      while (n.parent >= 0 && nodes[n.parent] !== at) n = nodes[n.parent];
      enter(n);
    });
  });

  // go shows what is under a node, null for everything.
  const go = (n) => {
    at = n;
    picked = -1;
    tip.hide();
    const path = [];
    for (let a = n; a; a = nodes[a.parent]) path.unshift(a);
    const parts = [["all patterns", null], ...path.map((a) => [a.label || a.name, a])];
    crumbs.replaceChildren(...parts.map(([text, a], i) => {
      if (i === parts.length - 1) {
        const here = make("b", "", text);
        here.setAttribute("aria-current", "location");
        return here;
      }
      return makeButton(text, () => { go(a); box.focus(); });
    }), make("span", "", bytesText(bytesOf(n)) + ", " + shareText(patterns.bytes ? bytesOf(n) / patterns.bytes : 0)));
    box.dataset.at = n ? n.name : "";
    say(n);
    map.draw();
  };
  const enter = (n) => {
    if (n.kids.length > 0) return go(n);
    say(n);
  };
  const pick = (i) => {
    if (shown.length === 0) return;
    if (picked >= 0) map.chart.dispatchAction({ type: "downplay", seriesIndex: 0, dataIndex: shown[picked].tile });
    picked = (i + shown.length) % shown.length;
    map.chart.dispatchAction({ type: "highlight", seriesIndex: 0, dataIndex: shown[picked].tile });
    box.dataset.picked = shown[picked].name;
    say(shown[picked]);
  };
  const keys = {
    ArrowRight: () => pick(picked + 1), ArrowDown: () => pick(picked + 1),
    ArrowLeft: () => pick(picked < 0 ? -1 : picked - 1), ArrowUp: () => pick(picked < 0 ? -1 : picked - 1),
    Home: () => pick(0), End: () => pick(-1),
    Enter: () => picked >= 0 && enter(shown[picked]),
    Backspace: () => at && go(nodes[at.parent] || null), Escape: () => at && go(nodes[at.parent] || null),
  };
  box.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    e.preventDefault();
    if (!map.chart) map.draw();
    keys[e.key]();
  });

  const useful = Object.entries(modes).filter(([name]) => patterns.has(name));
  mode = useful.length > 0 ? useful[0][0] : "types";
  if (useful.length > 1) {
    $("colors").append("Colour by ");
    choice($("colors"), "Colour by", useful.map(([name, m]) => [name, m.text]), (name) => {
      mode = name;
      map.draw();
    });
  }
  go(null);
})();

// Ticks at powers of two are round in KiB and MiB; those of counts the library chooses.
const ticks = (most) => {
  let step = 1;
  while (most / step > 4.5) step *= 2;
  return { interval: step, max: Math.max(Math.ceil(most / step), 1) * step };
};

// Charts of tables: <figure data-chart> is followed by the table it shows.
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const table = figure.parentNode.querySelector("table");
  const place = {};
  let cell = -1;
  for (const th of table.tHead.rows[0].cells) {
    cell += th.colSpan;
    place[th.dataset.c] = cell;
  }
  const rows = [...table.tBodies[0].rows].map((tr) => ({
    name: tr.cells[0].textContent,
    second: place.encoding === undefined ? "" : tr.cells[place.encoding].textContent,
    bytes: cellValue(tr, place.bytes) || 0,
    keys: place.keys === undefined ? 0 : cellValue(tr, place.keys) || 0,
  }));
  const all = rows.reduce((sum, r) => sum + r.bytes, 0) || 1;
  const box = figure.querySelector("div");
  const tell = (p, r) => tip.show(p.event.event, r.title || r.name, [bytesText(r.bytes) + ", " + shareText(r.bytes / all), ...(r.keys ? [plural(r.keys, "key")] : [])]);

  if (figure.dataset.chart === "rings") {
    const types = new Map();
    for (const r of rows) {
      const type = types.get(r.name) || { name: r.name, bytes: 0, keys: 0, kids: [] };
      type.bytes += r.bytes;
      type.keys += r.keys;
      type.kids.push({ ...r, title: r.name + ", " + r.second });
      types.set(r.name, type);
    }
    picture(box, (t) => ({
      series: [{
        type: "sunburst", radius: ["24%", "96%"], nodeClick: false, sort: "desc",
        data: [...types.values()].map((type) => {
          const color = typeColors[type.name.split(":")[0]] || t.rest;
          return {
            name: type.name, row: type, value: type.bytes, itemStyle: { color }, label: { color: inkOn(color) },
            children: type.kids.map((r, i) => {
              const lighter = mix(color, "#ffffff", 0.25 + 0.15 * (i % 3));
              return { name: r.second, row: r, value: r.bytes, itemStyle: { color: lighter }, label: { color: inkOn(lighter) } };
            }),
          };
        }),
        itemStyle: { borderColor: t.panel, borderWidth: 2 },
        label: { fontSize: 11, minAngle: 14, rotate: 0, overflow: "truncate", width: 62 },
        emphasis: { focus: "none" },
      }],
    }), (chart) => chart.on("mousemove", (p) => (p.data && p.data.row ? tell(p, p.data.row) : tip.hide())));
    continue;
  }

  // Of ranges the lower end is enough below a bar.
  const ranges = rows.every((r) => / to /.test(r.name));
  let by = "bytes";
  const bars = picture(box, (t) => ({
    grid: { left: 8, right: 8, top: 22, bottom: 2, containLabel: true },
    xAxis: {
      type: "category", data: rows.map((r) => r.name), axisTick: { show: false }, axisLine: { lineStyle: { color: t.line } },
      axisLabel: { color: t.soft, fontSize: 11, interval: rows.length > 14 ? "auto" : 0, rotate: rows.length > 6 ? 35 : 0, width: 96, overflow: "truncate", hideOverlap: true, formatter: (v) => (ranges ? v.split(" to ")[0] : v) },
    },
    yAxis: {
      type: "value", ...(by === "bytes" ? ticks(Math.max(...rows.map((r) => r.bytes))) : { splitNumber: 3 }), splitLine: { lineStyle: { color: t.line } },
      axisLabel: { color: t.soft, fontSize: 11, formatter: (v) => (by === "bytes" ? bytesText(Math.round(v)) : countText(v)) },
    },
    series: [{
      type: "bar", barCategoryGap: "22%", barMaxWidth: 64, data: rows.map((r) => ({ value: r[by], row: r })), itemStyle: { color: t.bar, borderRadius: [4, 4, 0, 0] },
      label: { show: rows.length <= 14, position: "top", color: t.soft, fontSize: 11, formatter: (p) => (p.value > 0 ? shareText(p.value / (by === "bytes" ? all : rows.reduce((s, r) => s + r.keys, 0) || 1)) : "") },
      emphasis: { itemStyle: { color: t.accent } },
    }],
  }), (chart) => chart.on("mousemove", (p) => (p.data && p.data.row ? tell(p, p.data.row) : tip.hide())));
  if (rows.some((r) => r.keys > 0)) {
    choice(figure.querySelector("figcaption"), "Bars show", [["bytes", "bytes"], ["keys", "keys"]], (name) => {
      by = name;
      bars.draw();
    });
  }
}
