// Pictures of a comparison: bars of what grew and shrank, and lines over time.

const comparison = JSON.parse($("data").textContent).diff;
const grew = "#d1495b", shrank = "#2f7fd1";
const lineColors = ["#3b82d6", "#e39b35", "#1fa090", "#c9568a", "#8b6fd6", "#7ba651", "#d1495b", "#8a7765", "#0b7285", "#b5b04c"];
const steps = (low, high) => {
  let step = 1;
  while ((high - low) / step > 5) step *= 2;
  return { interval: step, min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step };
};

if (comparison.bars) (() => {
  const box = $("diverging");
  let by = "bytes";
  const rows = () => comparison.bars.slice().sort((a, b) => b[by] - a[by]);
  const text = { bytes: (n) => signed(n, bytesText), keys: (n) => signed(n, countText) };
  box.style.height = Math.max(comparison.bars.length * 26 + 40, 120) + "px";
  const bars = picture(box, (t) => {
    const list = rows(), values = list.map((r) => r[by]);
    const low = Math.min(0, ...values), high = Math.max(0, ...values), room = (high - low) * 0.14 || 1;
    return {
      grid: { left: 8, right: 16, top: 4, bottom: 4, containLabel: true },
      xAxis: {
        type: "value", min: low < 0 ? low - room : 0, max: high > 0 ? high + room : 0, splitNumber: 4, splitLine: { lineStyle: { color: t.line } }, axisLabel: { show: false },
      },
      yAxis: {
        type: "category", inverse: true, data: list.map((r) => r.name), axisTick: { show: false }, axisLine: { onZero: false, show: false },
        axisLabel: { color: t.ink, fontSize: 12, fontFamily: "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace", width: Math.min(300, box.clientWidth * 0.36), overflow: "truncate", interval: 0 },
      },
      series: [{
        type: "bar", barCategoryGap: "28%", barMaxWidth: 18,
        data: list.map((r) => ({ value: r[by], row: r, itemStyle: { color: r[by] < 0 ? shrank : grew, borderRadius: 3 }, label: { position: r[by] < 0 ? "left" : "right" } })),
        label: { show: true, color: t.soft, fontSize: 11, formatter: (p) => text[by](p.value) + (p.data.row.status === "new" || p.data.row.status === "gone" ? ", " + p.data.row.status : "") },
        emphasis: { itemStyle: { opacity: 0.8 } },
      }],
    };
  }, (chart) => chart.on("mousemove", (p) => {
    const r = p.data && p.data.row;
    if (!r) return tip.hide();
    tip.show(p.event.event, r.name, [bytesText(r.before) + " before, " + bytesText(r.after) + " after: " + text.bytes(r.bytes), plural(r.keysAfter, "key") + ", " + text.keys(r.keys), ...(r.rate === null ? [] : [text.bytes(r.rate) + " an hour"])]);
  }));
  if (comparison.bars.some((r) => r.keys !== 0)) {
    choice(document.querySelector("#bars figcaption"), "Bars show", [["bytes", "bytes"], ["keys", "keys"]], (name) => {
      by = name;
      bars.draw();
    });
  }
})();

if (comparison.series) (() => {
  const { moments, times, rows } = comparison.series;
  const shown = rows.filter((r) => !r.whole).slice(0, lineColors.length);
  let whole = false;
  const legend = $("lineslegend");
  const option = (t) => {
    const list = whole ? rows.filter((r) => r.whole) : shown;
    const color = (i) => (whole ? t.accent : lineColors[i]);
    legend.replaceChildren(...list.map((r, i) => {
      const item = make("span", "", r.name), chip = make("i");
      chip.style.background = color(i);
      item.prepend(chip);
      return item;
    }));
    const values = list.flatMap((r) => r.bytes);
    const x = times ? { type: "time" } : { type: "category", data: moments, boundaryGap: false };
    return {
      grid: { left: 8, right: 24, top: 12, bottom: 4, containLabel: true },
      xAxis: { ...x, axisLine: { lineStyle: { color: t.line } }, axisTick: { show: false }, axisLabel: { color: t.soft, fontSize: 11, hideOverlap: true } },
      yAxis: { type: "value", ...steps(whole ? Math.min(...values) : 0, Math.max(...values, 1)), splitLine: { lineStyle: { color: t.line } }, axisLabel: { color: t.soft, fontSize: 11, formatter: (v) => bytesText(Math.round(v)) } },
      series: list.map((r, i) => ({
        type: "line", name: r.name, symbol: "circle", symbolSize: 7, triggerLineEvent: false, lineStyle: { width: 2, color: color(i) }, itemStyle: { color: color(i) },
        data: r.bytes.map((b, k) => ({ value: times ? [times[k], b] : b, row: r, moment: k })),
      })),
      useUTC: true,
    };
  };
  const lines = picture($("lines"), option, (chart) => chart.on("mousemove", (p) => {
    if (!p.data || !p.data.row) return tip.hide();
    const r = p.data.row, k = p.data.moment;
    tip.show(p.event.event, r.name, [moments[k], bytesText(r.bytes[k]) + ", " + plural(r.keys[k], "key"), ...(r.rate === null ? [] : [signed(r.rate, bytesText) + " an hour over all"])]);
  }));
  choice(document.querySelector("#series figcaption"), "Lines show", [["patterns", "patterns"], ["all", "all keys"]], (name) => {
    whole = name === "all";
    lines.draw();
  });
})();
