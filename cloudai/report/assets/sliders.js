// The sliders of the pages: one line's volume, and what an estimate, a plan or an exit bill comes to with it.
"use strict";

(() => {
  const { data, make, text, put, boxes, short } = Report;
  const get = (id) => document.getElementById(id);
  const signed = (tables, change) => (change === 0n ? "as planned" : `${change < 0n ? "-" : "+"}${Bill.money(tables, change < 0n ? -change : change)}`);
  const words = (line, base) => {
    const [whole, fraction] = Bill.stated(line, base).split(".");
    return `${Bill.grouped(whole)}${fraction ? `.${fraction}` : ""} ${line.units}`;
  };
  const row = (head, cells, { exact = {}, best = false } = {}) => {
    const made = cells.map((cell) => make("td", {}, cell));
    for (const [at, found] of Object.entries(exact)) Object.assign(made[at].dataset, found);
    if (best) made[0].className = "best";
    return make("tr", {}, make("th", { scope: "row", class: "w" }, head), ...made);
  };

  const KINDS = { estimate, plan, exit };
  if (data.tables) controls(data.tables.kind, data.tables, data.command);

  /** Line, slider, typed volume, command. `outcome(raw, state)` gives {tables, update, tell}. */
  function controls(kind, raw, command) {
    const tables = Bill.read(kind === "estimate" ? raw : raw.bills);
    const [chosen, slider, typed, unit, told, shell, reset] = ["line", "slider", "volume", "unit", "told", "shell", "reset"].map(get);
    const bases = tables.lines.map((line) => line.base);
    const MIDDLE = 100;
    const PER_TEN = 50;

    tables.lines.forEach((line, number) => { if (line.settable || kind === "estimate") chosen.append(make("option", { value: number }, short(line.name, 80))); });
    const at = () => Number(chosen.value);
    const outcome = KINDS[kind](raw, tables, bases, at);

    /** The volume of a place of the slider: a hundredth to a hundredfold, to two digits. */
    function volumeOf(line, place) {
      if (place === MIDDLE) return line.base;
      const now = Number(Bill.stated(line, line.base)) || 1000;
      const wanted = Math.min(Number((now * 10 ** ((place - MIDDLE) / PER_TEN)).toPrecision(2)), 1e18);
      const decimals = wanted >= 100 ? 0 : 3;
      return Bill.baseOf(line, Bill.scaled(wanted.toFixed(decimals), 9));
    }

    function placeOf(line, base) {
      const now = Number(Bill.stated(line, line.base)) || 1000;
      const there = Number(Bill.stated(line, base));
      if (!there) return 0;
      return Math.max(0, Math.min(200, Math.round(MIDDLE + PER_TEN * Math.log10(there / now))));
    }

    function label() {
      const line = tables.lines[at()];
      text(unit, `${line.units} ${line.once ? "once" : "a month"}`);
      typed.value = Bill.stated(line, bases[at()]);
      slider.value = String(placeOf(line, bases[at()]));
      slider.setAttribute("aria-valuetext", words(line, bases[at()]));
    }

    const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;
    function asCommand() {
      const changed = tables.lines.filter((line, number) => line.settable && bases[number] !== line.base);
      const sets = changed.map((line) => {
        const volume = Bill.stated(line, bases[tables.lines.indexOf(line)]);
        return ` --set ${quoted(`${line.name}.volume=${volume} ${line.units}${line.once ? " once" : "/month"}`)}`;
      });
      text(shell, command + sets.join(""));
    }

    let timer = 0;
    function update({ keep = null } = {}) {
      if (keep !== typed) typed.value = Bill.stated(tables.lines[at()], bases[at()]);
      if (keep !== slider) slider.value = String(placeOf(tables.lines[at()], bases[at()]));
      slider.setAttribute("aria-valuetext", words(tables.lines[at()], bases[at()]));
      asCommand();
      const say = outcome();
      clearTimeout(timer);
      timer = setTimeout(() => text(told, `${tables.lines[at()].name} at ${words(tables.lines[at()], bases[at()])}: ${say}.`), 400);
    }

    chosen.addEventListener("change", () => { label(); update(); });
    slider.addEventListener("input", () => { bases[at()] = volumeOf(tables.lines[at()], Number(slider.value)); typed.removeAttribute("aria-invalid"); update({ keep: slider }); });
    typed.addEventListener("input", () => {
      const plainly = typed.value.replace(/[,_\s]/g, "");
      const fine = /^\d{1,18}(\.\d{1,9})?$/.test(plainly);
      typed.setAttribute("aria-invalid", String(!fine));
      if (!fine) return;
      bases[at()] = Bill.baseOf(tables.lines[at()], Bill.scaled(plainly, 9));
      update({ keep: typed });
    });
    reset.addEventListener("click", () => { tables.lines.forEach((line, number) => { bases[number] = line.base; }); typed.removeAttribute("aria-invalid"); label(); update(); });
    label();
    update();
    clearTimeout(timer);
  }

  /** What each provider's bill comes to, and the chosen line alone by volume. */
  function estimate(raw, tables, bases, at) {
    const before = tables.providers.map((one) => Bill.total(tables, one, bases));

    function totals() {
      const found = tables.providers.map((one) => Bill.total(tables, one, bases));
      const whole = found.filter((one) => one.complete).map((one) => one.total);
      const least = whole.length > 1 ? whole.reduce((one, other) => (other < one ? other : one)) : null;
      get("totals").replaceChildren(...tables.providers.map((one, number) => {
        const bill = found[number];
        const sign = bill.complete ? "" : ">= ";
        const best = bill.complete && bill.total === least;
        const change = bill.total - before[number].total;
        const cells = [
          sign + Bill.money(tables, bill.months[0]),
          `${sign}${Bill.money(tables, bill.total)}${best ? " ✓" : ""}`,
          change === 0n ? "as planned" : `${change < 0n ? "-" : "+"}${Bill.money(tables, change < 0n ? -change : change)}`,
        ].map((cell) => make("td", {}, cell));
        cells[1].dataset.exact = Bill.plain(tables, bill.total);
        cells[1].dataset.provider = one.provider;
        if (best) cells[1].className = "best";
        if (!bill.complete) cells[1].className = "gap";
        return make("tr", {}, make("th", { scope: "row", class: "w" }, `${one.provider} ${one.region}`), ...cells);
      }));
      return found;
    }

    function curve() {
      const line = at();
      const info = tables.lines[line];
      const now = bases[line];
      const offers = tables.providers.filter((one) => one.plans.some((plan) => plan.line === line));
      const top = now > 0n ? now * 3n : Bill.baseOf(info, Bill.scaled("1000000", 9));
      const far = info.base > now ? info.base * 100n : now * 100n;
      const edges = offers.map((one) => Bill.edges(tables, one, line).filter((edge) => edge <= far));
      const marks = [...new Set([0n, 1n, now, top, far, ...edges.flat()].map(String))].map(BigInt).filter((one) => one <= far).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      const costs = offers.map((one) => marks.map((mark) => Bill.alone(tables, one, line, mark)));
      const asX = (base) => Number(Bill.stated(info, base));
      const asY = (cost) => Bill.number(tables, cost);
      const rows_ = offers.flatMap((one, number) => marks.map((mark, spot) => ({ mark, spot })).filter(({ mark, spot }) => mark <= top && !costs[number][spot][1])
        .map(({ mark, spot }) => ({ name: one.provider, x: asX(mark), y: asY(costs[number][spot][0]) })));
      const dots = offers.flatMap((one, number) => edges[number].map((edge) => {
        const [cost, open] = costs[number][marks.findIndex((mark) => mark === edge)];
        return { x: asX(edge), y: asY(cost), open, edge, cost, what: `${one.provider}: ${nextPrice(one, line, edge, cost)}` };
      }).filter((dot) => !dot.open));
      const crossings = changes(offers, marks, costs).map(({ edge, cost, what }) => ({ edge, cost, what, x: asX(edge), y: asY(cost) }));
      const chart = { kind: "curves", unit: info.units, now: asX(now), rows: rows_,
        edges: dots.filter((dot) => dot.edge <= top), crossings: crossings.filter((one) => one.edge <= top),
        label: `Cost of ${short(info.name, 60)} alone in one month by volume, ${offers.length} providers. ${crossings.length ? crossings.map((one) => `${words(info, one.edge)}: ${one.what}`).join("; ") : "The cheapest provider stays the same"}. The table below has the numbers.` };
      if (rows_.length) put(get("curve"), chart);
      else { boxes.delete(get("curve")); text(get("curve"), "No provider prices this line."); }
      const all = [...crossings.map((one) => [one, "✦"]), ...dots.map((one) => [one, ""])].sort((a, b) => a[0].x - b[0].x);
      get("changes").replaceChildren(...all.map(([one, sign]) => make("tr", {},
        make("th", { scope: "row" }, words(info, one.edge)), make("td", {}, Bill.money(tables, one.cost)), make("td", { class: "w" }, `${sign} ${one.what}`.trim()))));
      if (!all.length) get("changes").append(make("tr", {}, make("td", { class: "w", colspan: "3" }, "Nothing changes: one price, one cheapest provider.")));
    }

    /** What one more costs before and after an edge. */
    function nextPrice(provider, line, edge, cost) {
      const size = tables.lines[line].size;
      const [below] = Bill.alone(tables, provider, line, edge > size ? edge - size : 0n);
      const [above, open] = Bill.alone(tables, provider, line, edge + size);
      const each = (amount) => (amount === 0n ? "free" : `$${d3.format(".6~r")(Bill.number(tables, amount))}`);
      return `the next ${tables.lines[line].unit}: ${edge > size ? each(cost - below) : "?"} → ${open ? "unknown" : each(above - cost)}`;
    }

    /** Where another provider becomes the cheapest of a line. Costs are straight lines between the marks. */
    function changes(offers, marks, costs) {
      const known = (number, spot) => !costs[number][spot][1];
      const found = [];
      for (let spot = 1; spot < marks.length - 1; spot += 1) {
        const here = marks[spot];
        const there = marks[spot + 1];
        const able = offers.map((_, number) => number).filter((number) => known(number, spot) && known(number, spot + 1));
        const cuts = [];
        for (const one of able) for (const other of able) {
          if (one >= other) continue;
          const a = costs[one][spot][0] - costs[other][spot][0];
          const b = costs[one][spot + 1][0] - costs[other][spot + 1][0];
          if ((a < 0n && b > 0n) || (a > 0n && b < 0n)) {
            const span = a < 0n ? -a : a;
            const whole = span + (b < 0n ? -b : b);
            const [after, earlier] = b < 0n ? [one, other] : [other, one];
            cuts.push({ edge: here + ((there - here) * span + whole - 1n) / whole, after, earlier });
          }
        }
        cuts.sort((x, y) => (x.edge < y.edge ? -1 : x.edge > y.edge ? 1 : 0));
        for (const { edge, after, earlier } of cuts) {
          const cost = (number) => costs[number][spot][0] + ((costs[number][spot + 1][0] - costs[number][spot][0]) * (edge - here)) / (there - here);
          if (able.some((number) => cost(number) < cost(after))) continue;
          found.push({ edge, cost: cost(after), what: `${offers[after].provider} is cheaper than ${offers[earlier].provider} from here on` });
        }
      }
      return found;
    }

    return () => {
      const found = totals();
      curve();
      return tables.providers.map((one, number) => `${one.provider} ${found[number].complete ? "" : "at least "}${Bill.money(tables, found[number].total)}`).join(", ");
    };
  }

  /** The choice of each line, every way of the chosen line, and where the answer changes. */
  function plan(raw, _, bases, at) {
    const tables = Choice.read(raw);
    const { bills } = tables;
    const money = (amount) => (amount === null ? "unknown" : Bill.money(bills, amount));
    const plain = (amount) => Bill.plain(bills, amount);
    const before = Choice.plan(tables, bases);

    function choices(found) {
      const change = before.why ? "" : signed(bills, found.total - before.total);
      const moved = found.lines.filter((one, line) => !before.why && one.chosen?.way.name !== before.lines[line].chosen?.way.name).length;
      get("plan-sums").replaceChildren(row(found.proven ? "least" : "best found here, not proven to be least", [money(found.total), change, money(found.leaving), `${moved} of ${found.lines.length}`],
        { exact: { 0: { exact: plain(found.total), proven: found.proven }, 2: { exact: plain(found.leaving) } } }));
      get("plan-choices").replaceChildren(...found.lines.map(({ chosen }, line) => {
        const cells = chosen ? [chosen.way.name, money(chosen.month), money(chosen.total)] : ["no way has a known price", "", ""];
        const made = row(bills.lines[line].name, cells);
        made.children[1].className = "w";
        if (line === at()) made.className = "sum";
        Object.assign(made.dataset, { line: bills.lines[line].name, way: chosen ? chosen.way.name : "" });
        return made;
      }));
    }

    function ways({ ways: several, chosen }) {
      get("plan-ways").replaceChildren(...several.map((one) => {
        const picked = one === chosen;
        return row(`${one.way.name}${picked ? " \u2713" : ""}`, [money(one.month), money(one.total), money(one.way.leaving)],
          { best: picked, exact: { 0: { exact: plain(one.month), way: one.way.name }, 1: { exact: plain(one.total) } } });
      }));
    }

    function changes(line, several, volumes) {
      const info = bills.lines[line];
      const found = Choice.stretches(tables, line, several, volumes);
      const spot = found.findLastIndex((one) => volumes[0] > Choice.base(one.above));
      const near = (base) => { const [whole] = Bill.stated(info, base, 0).split("."); return whole.length > 3 ? `${Bill.grouped(whole)} ${info.units}` : words(info, base); };
      const edges = found.slice(1).map((one, number) => ({ ...one, base: Choice.base(one.above), before: found[number].best }));
      get("changes").replaceChildren(...edges.map((one) => {
        const made = make("tr", {}, make("th", { scope: "row", class: "w" }, near(one.base)), make("td", { class: "w" }, one.best ?? "nothing known"), make("td", { class: "w" }, one.before ?? "nothing known"));
        made.dataset.exact = Bill.stated(info, one.base);
        return made;
      }));
      if (!edges.length) get("changes").append(make("tr", {}, make("td", { class: "w", colspan: "3" }, `Nothing changes up to ten times the volume: ${found[0]?.best ?? "nothing known"}.`)));
      const here = found[Math.max(spot, 0)];
      const [last, next] = [edges.filter((one) => one.base < volumes[0]).at(-1), edges.find((one) => one.base >= volumes[0])];
      text(get("marker"), `At ${words(info, volumes[0])} ${here?.best ?? "nothing known"} costs least to run in a month${last ? `, since ${near(last.base)}` : ""}${next ? `; from ${near(next.base)} on it is ${next.best ?? "not known"}` : "; up to ten times the volume that stays so"}.`);
      draw(info, several, volumes, edges);
    }

    function draw(info, several, volumes, edges) {
      const asX = (base) => Number(Bill.stated(info, base));
      const asY = (cost) => Bill.number(bills, Choice.amount(tables, cost));
      const far = edges.length ? edges.at(-1).base : 0n;
      const wide = volumes[0] * 2n || info.base * 2n || info.size * 1000n;
      const top = far * 6n / 5n > wide && far < volumes[0] * 100n ? far * 6n / 5n : wide;
      const best = new Set(edges.flatMap((one) => [one.best, one.before]));
      const shown = several.filter((one, number) => number < 6 || best.has(one.way.name)).slice(0, 12);
      const rows = shown.flatMap((one) => Choice.corners(tables, one.way, [top, Bill.UNIT]).map(([volume, cost]) => ({ name: one.way.name, x: asX(Choice.base(volume)), y: asY(cost) })));
      const crossings = edges.filter((one) => one.cost && one.base <= top).map((one) => ({ x: asX(one.base), y: asY(one.cost), what: `${one.best} costs less than ${one.before ?? "nothing known"} from here on` }));
      if (rows.length) put(get("curve"), { kind: "curves", unit: info.units, now: asX(volumes[0]), rows, edges: [], crossings, label: `A month of ${short(info.name, 60)} by volume, ${shown.length} ways. ${get("marker").textContent}` });
      else { boxes.delete(get("curve")); text(get("curve"), "No way has a known price."); }
    }

    return () => {
      const found = Choice.plan(tables, bases);
      get("found").hidden = Boolean(found.why);
      if (found.why) { text(get("marker"), `${found.why}.`); return found.why; }
      const line = at();
      choices(found);
      ways(found.lines[line]);
      changes(line, found.lines[line].ways, [0, ...Array(bills.months - 1).keys()].map((_, number) => Bill.inMonth(bills, bills.lines[line], bases[line], number)));
      return `${money(found.total)} in all; ${found.lines[line].chosen?.way.name ?? "no way"} for this line`;
    };
  }

  /** The exit bills: running both and the saving follow the volumes. */
  function exit(raw, tables, bases) {
    const before = new Map();

    /** Provider -> its first month, where all of it has a price. */
    function monthly() {
      const found = tables.providers.map((one) => [one.provider, Bill.total(tables, one, bases)]);
      return new Map(found.filter(([, bill]) => bill.complete).map(([name, bill]) => [name, bill.months[0]]));
    }

    const sorted = (bills) => [...bills].sort((one, other) => {
      if (one.source !== other.source) return raw.order.indexOf(one.source) - raw.order.indexOf(other.source);
      if (one.none !== other.none) return one.none < other.none ? -1 : 1;
      if (one.direct.total !== other.direct.total) return one.direct.total < other.direct.total ? -1 : 1;
      return one.target < other.target ? -1 : 1;
    });
    const money = (amount) => Bill.money(tables, amount);
    const plain = (amount) => Bill.plain(tables, amount);
    const sum = (bill) => `${bill.complete ? "" : ">= "}${money(bill.total)}`;

    function steps(one) {
      const found = [...one.raw.steps.map(([name, amount]) => [name, Bill.number(tables, Leaving.amount(tables, amount))]), ["running both", Bill.number(tables, one.direct.parallel)]].filter(([, amount]) => amount);
      let reached = 0;
      const rows = found.map(([name, amount]) => ({ name, from: reached, to: (reached += amount), sum: false }));
      return [...rows, { name: "total", from: 0, to: reached, sum: true }];
    }

    return () => {
      const costs = monthly();
      const found = sorted(raw.ways.map((one) => Leaving.bill(tables, one, costs)));
      if (!before.size) for (const one of found) before.set(`${one.source} ${one.target}`, one.direct.total);
      get("totals").replaceChildren(...found.map((one) => {
        const cells = [sum(one.direct), signed(tables, one.direct.total - before.get(`${one.source} ${one.target}`)), `${money(one.direct.p10)} to ${money(one.direct.p90)}`, one.direct.saving === null ? "unknown" : money(one.direct.saving < 0n ? -one.direct.saving : one.direct.saving),
          one.direct.breakEven === null ? (one.direct.saving === null ? "unknown" : "never") : `${one.direct.complete ? "" : ">= "}${Number(Number(one.direct.breakEven).toFixed(1))} months`, money(one.direct.residual), sum(one.neutral), `${one.worth < 0n ? "-" : ""}${money(one.worth < 0n ? -one.worth : one.worth)}`];
        if (one.direct.saving !== null && one.direct.saving < 0n) cells[3] = `-${cells[3]}`;
        const made = row(`${one.source} to ${one.target}`, cells);
        Object.assign(made.dataset, { way: `${one.source} ${one.target}`, total: plain(one.direct.total), p10: plain(one.direct.p10), p50: plain(one.direct.p50), p90: plain(one.direct.p90),
          neutral: plain(one.neutral.total), months: one.direct.breakEven ?? "", residual: plain(one.direct.residual), worth: `${one.worth < 0n ? "-" : ""}${plain(one.worth < 0n ? -one.worth : one.worth)}` });
        return made;
      }));
      const first = found[0];
      put(get("curve"), { kind: "waterfall", rows: steps(first), span: [first.direct.p10, first.direct.p90].map((amount) => Bill.number(tables, amount)),
        label: `Leaving ${first.source} for ${first.target} at these volumes: ${sum(first.direct)}. The table has the numbers.` });
      text(get("marker"), `Leaving ${first.source} for ${first.target}, the least way out: ${sum(first.direct)}.`);
      return `leaving ${first.source} for ${first.target} ${sum(first.direct)}`;
    };
  }
})();
