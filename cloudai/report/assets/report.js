// Draws the charts of the page (Observable Plot), and what follows its colours, its width and its printing.
"use strict";

const Report = (() => {
  const root = document.documentElement;
  root.classList.add("js");
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (node, words) => { node.textContent = words; return node; };
  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  // Colours go by provider, so that one has the same everywhere; shapes and dashes say it once more.
  const FIXED = ["aws", "gcp", "azure", "local"];
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "wye"];
  const DASHES = ["none", "7,4", "2,3", "10,3,2,3"];
  const others = data.names.filter((name) => !FIXED.includes(name));
  const shift = others.length < data.names.length ? FIXED.length : 0;
  const index = (name) => {
    const known = data.names.includes(name) || FIXED.includes(name) ? name : name.split(" ")[0];
    return FIXED.includes(known) ? FIXED.indexOf(known) : Math.max(others.indexOf(known), 0) + shift;
  };
  const colour = (name) => `var(--s${index(name) % 6})`;
  const symbol = (name) => SYMBOLS[index(name) % 6];
  const dash = (name) => DASHES[Math.floor(index(name) / 6) % 4];
  const short = (words, most) => ([...words].length > most ? `${[...words].slice(0, most - 1).join("")}…` : words);
  const usd = (number) => {
    if (number < 0) return `-${usd(-number)}`;
    if (number >= 1e9) return `$${+(number / 1e9).toPrecision(3)}B`;
    if (number >= 1e6) return `$${+(number / 1e6).toPrecision(3)}M`;
    if (number >= 1e4) return `$${+(number / 1e3).toPrecision(3)}k`;
    return `$${number >= 100 ? Math.round(number).toLocaleString("en-US") : +number.toPrecision(3)}`;
  };
  const count = (number) => {
    if (number >= 1e9) return `${+(number / 1e9).toPrecision(3)}B`;
    if (number >= 1e6) return `${+(number / 1e6).toPrecision(3)}M`;
    if (number >= 1e4) return `${+(number / 1e3).toPrecision(3)}k`;
    return `${+number.toPrecision(3)}`;
  };

  const base = (width, height) => ({
    width, height, marginLeft: 62, marginBottom: 40, marginRight: 20, marginTop: 24,
    style: { background: "transparent", color: "var(--ink)", fontSize: "12px", fontFamily: "inherit" },
  });
  const MONEY_AXIS = { label: "USD", tickFormat: usd, grid: true, ticks: 6 };
  const GRID = { stroke: "var(--line)", strokeOpacity: 1 };
  const gridY = () => Plot.gridY({ ...GRID, ticks: 6 });

  const draw = {
    months(chart, width) {
      const rows = chart.rows;
      const months = Math.max(...rows.map((row) => row.month));
      const options = { ...base(width, 300), y: { ...MONEY_AXIS, grid: false, zero: true, nice: true } };
      if (months === 1) {
        return Plot.plot({ ...options, x: { label: null, domain: rows.map((row) => row.name) }, marks: [gridY(),
          Plot.barY(rows, { x: "name", y: "cost", fill: (row) => colour(row.name), insetLeft: 12, insetRight: 12 }),
          Plot.text(rows, { x: "name", y: "cost", text: (row) => usd(row.cost), dy: -8, fill: "var(--ink)" }),
          Plot.ruleY([0], { stroke: "var(--soft)" })] });
      }
      const step = Math.ceil(months / Math.max(Math.floor((width - 80) / 42), 1));
      const ticks = d3.range(1, months + 1).filter((month) => (month - 1) % step === 0);
      const ranged = rows.filter((row) => row.low !== null);
      return Plot.plot({ ...options,
        x: { label: "month", ticks, tickFormat: String, domain: [1, months], inset: 8 }, marks: [gridY(),
          Plot.areaY(ranged, { x: "month", y1: "low", y2: "high", z: "name", fill: (row) => colour(row.name), fillOpacity: 0.14 }),
          Plot.lineY(rows, { x: "month", y: "cost", z: "name", stroke: (row) => colour(row.name), strokeWidth: 2 }),
          ...symbols(rows, "month", "cost", months > 36 ? 0 : 3.5),
          Plot.ruleY([0], { stroke: "var(--soft)" }),
          Plot.tip(rows, Plot.pointer({ x: "month", y: "cost", title: (row) => `${row.name}, month ${row.month}: ${usd(row.cost)}`, fill: "var(--paper)" }))] });
    },
    waterfall(chart, width) {
      const narrow = width < 520;
      const rows = chart.rows;
      const SPAN = "P10 to P90";
      const span = chart.span === null ? [] : [{ name: SPAN, low: chart.span[0], high: chart.span[1] }];
      const options = base(width, 44 + (rows.length + span.length) * 32 + 36);
      return Plot.plot({ ...options, marginLeft: narrow ? 104 : 150, marginRight: 64,
        x: { ...MONEY_AXIS, ticks: narrow ? 3 : 6, grid: false, zero: true, nice: true },
        y: { label: null, domain: [...rows, ...span].map((row) => row.name), padding: 0.25, tickSize: 0, tickFormat: (name) => short(name, narrow ? 14 : 22) },
        marks: [Plot.gridX({ ...GRID, ticks: narrow ? 3 : 6 }),
          Plot.barX(rows, { y: "name", x1: "from", x2: "to", fill: (row) => (row.sum ? "var(--s5)" : "var(--bar)") }),
          Plot.ruleX(rows.slice(0, -1).filter((row) => !row.sum), { x: "to", y1: "name", y2: (row) => rows[rows.indexOf(row) + 1].name, stroke: "var(--soft)", strokeDasharray: "2,2" }),
          Plot.link(span, { x1: "low", x2: "high", y1: "name", y2: "name", stroke: "var(--ink)", strokeWidth: 2, markerStart: "tick", markerEnd: "tick" }),
          Plot.text(span, { y: "name", x: "low", text: (row) => usd(row.low), dx: -8, textAnchor: "end", fill: "var(--ink)" }),
          Plot.text(span, { y: "name", x: "high", text: (row) => usd(row.high), dx: 8, textAnchor: "start", fill: "var(--ink)" }),
          Plot.text(rows, { y: "name", x: "to", text: (row) => usd(row.to - row.from), dx: 6, textAnchor: "start", fill: "var(--ink)" })] });
    },
    tornado(chart, width) {
      const narrow = width < 520;
      const rows = chart.rows;
      const sides = rows.flatMap((row) => [{ name: row.name, end: row.low, side: "low" }, { name: row.name, end: row.high, side: "high" }]);
      return Plot.plot({ ...base(width, 60 + rows.length * 30), marginLeft: narrow ? 110 : 190, marginRight: 28,
        x: { ...MONEY_AXIS, label: "total, USD", ticks: narrow ? 3 : 6, grid: false, nice: true },
        y: { label: null, domain: rows.map((row) => row.name), padding: 0.3, tickSize: 0, tickFormat: (name) => short(name, narrow ? 14 : 28) },
        marks: [Plot.gridX({ ...GRID, ticks: narrow ? 3 : 6 }),
          Plot.barX(sides, { y: "name", x1: () => chart.likely, x2: "end", fill: (row) => (row.side === "low" ? "var(--bar)" : "var(--bar2)") }),
          Plot.ruleX([chart.likely], { stroke: "var(--ink)", strokeWidth: 1.5 })] });
    },
    front(chart, width) {
      const rows = chart.rows;
      const best = rows.filter((row) => row.best);
      const spots = d3.groups(rows, (row) => `${row.x} ${row.y}`).map(([, several]) => ({ ...several[0], name: several.map((row) => short(row.name, 18)).join(", ") }));
      const stairs = best.flatMap((row, at) => (at ? [{ x: row.x, y: best[at - 1].y }, row] : [row]));
      return Plot.plot({ ...base(width, 320), inset: 24, marginRight: 40,
        x: { ...MONEY_AXIS, label: chart.x, ticks: width < 520 ? 3 : 6, grid: false, nice: true }, y: { ...MONEY_AXIS, label: chart.y, grid: false, nice: true },
        marks: [Plot.gridX({ ...GRID, ticks: width < 520 ? 3 : 6 }), gridY(),
          Plot.line(stairs, { x: "x", y: "y", stroke: "var(--soft)", strokeDasharray: "4,3" }),
          Plot.dot(rows, { x: "x", y: "y", r: 6, symbol: (row) => symbol(row.name), fill: (row) => (row.best ? colour(row.name) : "var(--paper)"), stroke: (row) => colour(row.name), strokeWidth: 2 }),
          Plot.text(spots, { x: "x", y: "y", text: (row) => short(row.name, 36), dy: -14, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 4 })], symbol: { type: "identity" } });
    },
    curves(chart, width) {
      const narrow = width < 520;
      const most = Math.max(...chart.rows.map((row) => row.y));
      const ends = [...d3.group(chart.rows, (row) => row.name).values()].map((several) => several.at(-1).y);
      const seen = Math.max(4 * Math.min(...ends), 1.5 * Math.max(0, ...chart.crossings.map((row) => row.y)));
      const capped = seen > 0 && seen < most;  // what is far dearer would press the crossings flat: it leaves at the top
      return Plot.plot({ ...base(width, 330), marginBottom: 46,
        x: { labelOffset: 42, label: `${chart.unit} a month`, tickFormat: count, ticks: narrow ? 4 : 8 }, y: { ...MONEY_AXIS, grid: false, zero: true, nice: true, ...(capped ? { domain: [0, seen] } : {}) },
        marks: [gridY(),
          ...d3.groups(chart.rows, (row) => row.name).map(([name, several]) => Plot.line(several, { x: "x", y: "y", stroke: colour(name), strokeWidth: 2, strokeDasharray: dash(name), clip: true })),
          chart.now === null ? null : Plot.ruleX([chart.now], { stroke: "var(--ink)", strokeDasharray: "4,3" }),
          chart.now === null ? null : Plot.text([chart.now], { x: (at) => at, frameAnchor: "top", text: () => "now", dy: -14, fill: "var(--ink)" }),
          Plot.dot(chart.edges.filter((row) => !capped || row.y <= seen), { x: "x", y: "y", r: 3.5, fill: "var(--paper)", stroke: "var(--soft)", strokeWidth: 1.5 }),
          Plot.dot(chart.crossings, { x: "x", y: "y", r: 6, symbol: "diamond", fill: "var(--ink)", stroke: "var(--paper)" }),
          Plot.ruleY([0], { stroke: "var(--soft)" }),
          Plot.tip([...chart.edges, ...chart.crossings], Plot.pointer({ x: "x", y: "y", title: (row) => `${count(row.x)} ${chart.unit}: ${row.what}`, fill: "var(--paper)" }))], symbol: { type: "identity" } });
    },
  };

  function symbols(rows, x, y, r) {
    if (!r) return [];
    return [...new Set(rows.map((row) => row.name))].map((name) => Plot.dot(rows.filter((row) => row.name === name),
      { x, y, r, symbol: symbol(name), fill: colour(name), stroke: "var(--paper)", strokeWidth: 0.75 }));
  }

  function key(chart) {
    const named = [...new Set(chart.rows.map((row) => row.name))];
    if (!["months", "curves"].includes(chart.kind)) return null;
    const list = make("ul", { class: "key", "aria-hidden": "true" });
    for (const name of named) {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const wide = chart.kind === "curves" ? 28 : 14;
      mark.setAttribute("width", String(wide));
      mark.setAttribute("height", "14");
      mark.setAttribute("viewBox", `${-wide / 2} -7 ${wide} 14`);
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const kind = { circle: d3.symbolCircle, square: d3.symbolSquare, triangle: d3.symbolTriangle, diamond: d3.symbolDiamond, star: d3.symbolStar, wye: d3.symbolWye };
      if (chart.kind === "curves") {
        path.setAttribute("d", "M-14,0H14");
        path.setAttribute("stroke-dasharray", dash(name));
        path.style.stroke = colour(name);
        path.style.strokeWidth = "3";
      } else {
        path.setAttribute("d", d3.symbol(kind[symbol(name)], 70)());
        path.style.fill = colour(name);
      }
      mark.append(path);
      list.append(make("li", {}, mark, short(name, 40)));
    }
    return list;
  }

  /** Puts a chart into its place, as one picture with a sentence for those who can't see it. */
  function show(box, chart) {
    const width = Math.max(Math.min(Math.round(box.clientWidth), 1120), 260);
    const svg = draw[chart.kind](chart, width);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", chart.label);
    for (const node of svg.querySelectorAll("[aria-label], [aria-description]")) {
      node.removeAttribute("aria-label");
      node.removeAttribute("aria-description");
    }
    box.replaceChildren(...[key(chart), svg].filter(Boolean));
  }

  const boxes = new Map();
  function put(box, chart) {
    boxes.set(box, chart);
    show(box, chart);
  }
  for (const chart of data.charts) put(document.getElementById(chart.id), chart);

  let frame = 0;
  let shown = window.innerWidth;
  function redraw() {
    for (const [box, chart] of boxes) show(box, chart);
  }
  window.addEventListener("resize", () => {
    if (window.innerWidth === shown) return;
    shown = window.innerWidth;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(redraw);
  });

  // Light, dark, or as the system is.
  const button = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const say = () => text(button, isDark() ? "Light colours" : "Dark colours");
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; say(); });
  dark.addEventListener("change", say);
  say();

  // A closed table would not be printed.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

  return { data, make, text, put, boxes, short };
})();
