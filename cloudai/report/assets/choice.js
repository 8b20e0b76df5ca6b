// Build or buy at other volumes, to the last digit: `cloudai_pricing.plan` over the tables in the page.
// A way's cost against volume is a curve of whole numbers; what lines share is billed by `engine.js`.
"use strict";

const Choice = (() => {
  const UNIT = Bill.UNIT;
  const MOST_STEPS = 20000;
  const FIRST = 10n ** 60n;  // a cost times this, plus leaving: of two plans that cost the same, the one that is left for less
  const fraction = (text) => text.split("/").map(BigInt);
  const ceiled = (over, under) => (over + under - 1n) / under;

  /** The tables of the page with numbers in place of texts; amounts are whole parts of 10^-(places + 9). */
  function read(data) {
    const bills = Bill.read(data.bills);
    const money = (text) => Bill.scaled(text, bills.places + 9);
    return {
      bills,
      nano: 10n ** BigInt(bills.places),
      ways: data.ways.map((several) => several.map((way) => ({
        ...way,
        at: fraction(way.at),
        slope: fraction(way.slope),
        once: money(way.once),
        leaving: money(way.leaving),
        provides: bills.providers.findIndex((one) => one.provider === way.name),
        ...(way.machine ? { each: fraction(way.machine[0]), does: fraction(way.machine[1]), least: BigInt(way.machine[2]), work: fraction(way.machine[3]) } : {}),
      }))),
      curves: data.curves.map((one) => ({
        x: BigInt(one.x),
        y: BigInt(one.y),
        rows: one.rows.map(([end, at, slope]) => [end === null ? null : BigInt(end), BigInt(at), BigInt(slope)]),
      })),
      highs: data.highs.map(fraction),
      platform: money(data.platform),
      limit: data.limit === null ? null : money(data.limit),
      mostPlans: data.most_plans,
      mostMachines: BigInt(data.most_machines),
    };
  }

  const plus = ([a, b], [c, d]) => [a * d + c * b, b * d];
  const times = ([a, b], [c, d]) => [a * c, b * d];
  const below = ([a, b], [c, d]) => a * d < c * b;

  /** The straight line `[at, slope]` that a way's month lies on at a volume (base units, a fraction), and where it ends. */
  function piece(tables, way, volume) {
    if (way.machine) {
      const needed = ceiled(volume[0] * way.does[1], volume[1] * way.does[0]);
      const count = needed > way.least ? needed : way.least;
      return { at: plus(times(way.each, [count, 1n]), way.at), slope: plus(way.work, way.slope), end: times(way.does, [count, 1n]) };
    }
    const { x, y, rows } = tables.curves[way.curve];
    for (const [end, at, slope] of rows) {
      if (end === null || volume[0] * x <= end * volume[1]) {
        return { at: plus([at, y], way.at), slope: plus([slope * x, y], way.slope), end: end === null ? null : [end, x] };
      }
    }
    return null;
  }

  /** A fraction of a dollar as an amount, cut to a billionth. */
  const cut = (tables, [over, under]) => Bill.divided(over * UNIT, under) * tables.nano;

  /** A month of a way at so many base units; null: not known. */
  function month(tables, way, base) {
    if (!base) return way.machine ? cut(tables, plus(times(way.each, [way.least, 1n]), way.at)) : 0n;
    const found = piece(tables, way, [base, UNIT]);
    return found === null ? null : cut(tables, plus(found.at, times(found.slope, [base, UNIT])));
  }

  const months = (tables, line, base) =>
    Array.from({ length: tables.bills.months }, (_, number) => Bill.inMonth(tables.bills, tables.bills.lines[line], base, number));

  /** All months of a way and what comes before them, the line alone; null: not known. */
  function whole(tables, line, way, volumes) {
    let sum = way.once;
    for (const volume of volumes) {
      const cost = month(tables, way, volume);
      if (cost === null) return null;
      sum += cost;
    }
    return sum;
  }

  /** What a managed way costs beside its invoice. */
  function beside(tables, way, volumes) {
    if (way.slope[0] === 0n) return way.once + cut(tables, way.at) * BigInt(volumes.length);
    return volumes.reduce((sum, volume) => sum + cut(tables, plus(way.at, times(way.slope, [volume, UNIT]))), way.once);
  }

  /** Up to which volume ways are compared: ten times the most that is planned, in the high case. */
  function horizon(tables, line, volumes) {
    const most = volumes.reduce((one, other) => (one > other ? one : other), 0n);
    const [high, likely] = tables.highs[line];
    return most ? Bill.divided(most * high, likely) * 10n : tables.bills.lines[line].size * 1000n;
  }

  /** The invoice of some lines on one way over all months; null: a part has no price. */
  function invoice(tables, state, provides, lines) {
    const key = `${provides}:${lines.join()}`;
    if (!state.sums.has(key)) {
      const plans = tables.bills.providers[provides].plans.filter((plan) => lines.includes(plan.line));
      const found = Bill.total(tables.bills, { plans, complete: true }, state.bases);
      state.sums.set(key, found.complete ? found.total : null);
    }
    return state.sums.get(key);
  }

  /**
   * The plan at other volumes: {total, leaving, proven, lines: [{chosen, ways: [{way, month, total}]}]}, or {why} where there is none.
   * `bases`: base units of month 1 by line number.
   */
  function plan(tables, bases) {
    const state = { bases, sums: new Map(), volumes: bases.map((base, line) => months(tables, line, base)) };
    state.lines = [];
    for (const [line, ways] of tables.ways.entries()) {
      const upto = [horizon(tables, line, state.volumes[line]), UNIT];
      const many = ways.find((way) => way.machine && below([tables.mostMachines, 1n], times(upto, [way.does[1], way.does[0]])));
      if (many) return { why: `${tables.bills.lines[line].name} would need more than ${tables.mostMachines} machines` };
      const known = ways.map((way) => ({ way, month: month(tables, way, state.volumes[line][0]), total: whole(tables, line, way, state.volumes[line]) }));
      state.lines.push(known.filter((one) => one.total !== null).sort((one, other) => (one.total < other.total ? -1 : one.total > other.total ? 1 : 0)));
    }
    for (const [line, several] of state.lines.entries()) {
      for (const one of several) {
        one.extra = one.way.machine ? one.total : beside(tables, one.way, state.volumes[line]);
        one.key = one.extra * FIRST + one.way.leaving;
      }
    }
    let found = least(tables, state);
    if (tables.limit !== null && leaving(tables, found.chosen) > tables.limit) found = within(tables, state);
    if (found === null) return { why: "No plan that was looked at keeps the limit on leaving" };
    return {
      total: cost(tables, state, found.chosen),
      leaving: leaving(tables, found.chosen),
      proven: found.proven,
      lines: state.lines.map((ways, line) => ({ chosen: found.chosen[line], ways })),
    };
  }

  function cost(tables, state, chosen) {
    let sum = 0n;
    const shared = new Map();
    for (const [line, one] of chosen.entries()) {
      if (!one) continue;
      sum += one.extra;
      if (!one.way.machine) shared.set(one.way.provides, [...(shared.get(one.way.provides) ?? []), line]);
    }
    for (const [provides, lines] of shared) {
      const found = invoice(tables, state, provides, lines);
      if (found === null) return null;
      sum += found;
    }
    return sum;
  }

  function leaving(tables, chosen) {
    const used = chosen.filter(Boolean);
    const clouds = new Set(used.filter((one) => one.way.kind !== "own").map((one) => one.way.provider));
    return used.reduce((sum, one) => sum + one.way.leaving, tables.platform * BigInt(clouds.size));
  }

  /** The cheapest plan that keeps the limit on leaving, of all there are; null: none, or there are too many. */
  function within(tables, state) {
    let several = [[]];
    for (const ways of state.lines) {
      several = several.flatMap((some) => (ways.length ? ways : [undefined]).map((one) => [...some, one]));
      if (several.length > tables.mostPlans) return null;
    }
    let best = null;
    for (const chosen of several) {
      const left = leaving(tables, chosen);
      if (left > tables.limit) continue;
      const sum = cost(tables, state, chosen);
      if (sum !== null && (best === null || sum < best.sum || (sum === best.sum && left < best.left))) best = { chosen, sum, left, proven: true };
    }
    return best;
  }

  /** The choice of least cost, and whether it is proven: lines that can't influence each other apart. */
  function least(tables, state) {
    const offers = worthwhile(tables, state);
    const chosen = [];
    let proven = true;
    for (const group of groups(tables, state, offers)) {
      const found = search(tables, state, offers, group);
      proven = proven && found.proven;
      group.forEach((line, at) => { chosen[line] = found.best[at]; });
    }
    return { chosen, proven };
  }

  const plansOf = (tables, one, line) => (one.way.machine ? [] : tables.bills.providers[one.way.provides].plans.filter((plan) => plan.line === line));

  /** A plan's bill with each ladder flat: at its lowest price with all allowances, or at its highest with none. */
  function flat(tables, state, plans, line, highest) {
    const prices = tables.bills.prices.map((price) => {
      const each = price.tiers.map(([, one]) => one).filter((one) => one !== null);
      const level = each.reduce((one, other) => ((highest ? one > other : one < other) ? one : other), each[0] ?? 0n);
      return { ...price, fee: 0n, tiers: [[null, level]], allowed: highest ? [0n] : price.allowed };
    });
    return Bill.total({ ...tables.bills, prices }, { plans, complete: true }, state.bases).total;
  }

  /** Each line's offers without those that cost more at the least than another does at the most. */
  function worthwhile(tables, state) {
    const charged = tables.bills.prices.map(() => new Set());
    tables.bills.providers.forEach((one, number) => one.plans.forEach((plan) => plan.charges.forEach((charge) => charged[charge.price].add(number))));
    const ladders = (key) => {
      const found = new Map();
      for (const price of tables.bills.prices) found.set(price[key], [...(found.get(price[key]) ?? []), price]);
      return found;
    };
    const [counted, freed] = [ladders("counter"), ladders("freeCounter")];
    const alike = (prices) => new Set(prices.map((price) => JSON.stringify([price.size, price.tiers], (_, value) => (typeof value === "bigint" ? String(value) : value)))).size === 1;
    const clean = (price) => !price.committed && alike(counted.get(price.counter));
    const open = (price) => price.tiers.at(-1)?.[0] === null && (alike(freed.get(price.freeCounter)) || price.allowed.every((one) => one === 0n));
    for (const [line, ways] of state.lines.entries()) {
      for (const one of ways) {
        const plans = plansOf(tables, one, line);
        const prices = plans.flatMap((plan) => plan.charges.map((charge) => tables.bills.prices[charge.price]));
        const bound = prices.every(clean);
        one.least = one.way.machine ? one.key : bound ? one.key + flat(tables, state, plans, line, false) * FIRST : null;
        one.most = one.way.machine ? one.key : bound && prices.every(open) ? one.key + flat(tables, state, plans, line, true) * FIRST : null;
      }
    }
    const sure = state.lines.every((ways) => !ways.length || ways.some((one) => one.most !== null));
    return state.lines.map((ways) => {
      const mosts = ways.map((one) => one.most).filter((one) => one !== null);
      if (!sure || !mosts.length) return ways;
      const bar = mosts.reduce((one, other) => (one < other ? one : other));
      return ways.filter((one) => one.least === null || one.least <= bar);
    });
  }

  /** Lines that count on a ladder with more than one price, or on an allowance, together. */
  function groups(tables, state, offers) {
    const parents = offers.map((_, line) => line);
    const root = (line) => (parents[line] === line ? line : (parents[line] = root(parents[line])));
    const first = new Map();
    for (const [line, ways] of offers.entries()) for (const one of ways) for (const plan of plansOf(tables, one, line)) for (const charge of plan.charges) {
      const price = tables.bills.prices[charge.price];
      const keys = [];
      if (price.tiers.length !== 1 || price.committed) keys.push(`${one.way.provides} ladder ${price.counter}`);
      if (price.allowed.some((each) => each > 0n)) keys.push(`${one.way.provides} free ${price.freeCounter}`);
      for (const key of keys) {
        if (first.has(key)) parents[root(line)] = root(first.get(key));
        else first.set(key, line);
      }
    }
    const found = new Map();
    for (const line of offers.keys()) if (offers[line].length) found.set(root(line), [...(found.get(root(line)) ?? []), line]);
    return [...found.values()];
  }

  /** Branch and bound over one group; what a line must at least add bounds the rest. */
  function search(tables, state, offers, group) {
    const sum = (provides, lines) => {
      const found = invoice(tables, state, provides, lines);
      return found === null ? null : found * FIRST;
    };
    const alone = (one, line) => (one.way.machine ? one.key : one.key + sum(one.way.provides, [line]));
    const choices = group.map((line) => [...offers[line]].sort((one, other) => (alone(one, line) < alone(other, line) ? -1 : alone(one, line) > alone(other, line) ? 1 : one.way.name < other.way.name ? -1 : 1)));
    const bounded = group.every((line) => offers[line].every((one) => one.least !== null));
    const rest = [0n];
    for (const line of [...group].reverse()) rest.unshift(rest[0] + offers[line].map((one) => one.least ?? 0n).reduce((one, other) => (one < other ? one : other)));
    /** A line's part of the bill where all lines that count on its first ladder are on the same way. */
    const parts = new Map();
    const part = (one, line) => {
      if (one.way.machine) return one.key;
      const key = `${one.way.provides}:${line}`;
      if (!parts.has(key)) parts.set(key, shareOf(one, line));
      return one.key + parts.get(key);
    };
    const shareOf = (one, line) => {
      const first = (other) => tables.bills.providers[one.way.provides].plans.find((plan) => plan.line === other)?.charges[0].price;
      const counter = (other) => tables.bills.prices[first(other)]?.counter;
      const together = group.filter((other) => offers[other].some((each) => each.way.name === one.way.name) && counter(other) === counter(line));
      const whole = together.reduce((units, other) => units + state.bases[other], 0n);
      const bill = sum(one.way.provides, together);
      return bill === null || !whole ? sum(one.way.provides, [line]) ?? 0n : (bill * state.bases[line]) / whole;
    };
    let best = null;
    let bestCost = null;
    let steps = 0;
    let stopped = false;
    const weigh = (taken) => {
      const shared = new Map();
      let whole = 0n;
      taken.forEach((one, at) => {
        whole += one.key;
        if (!one.way.machine) shared.set(one.way.provides, [...(shared.get(one.way.provides) ?? []), group[at]].sort((a, b) => a - b));
      });
      const sums = [...shared].map(([provides, lines]) => sum(provides, lines));
      return sums.includes(null) ? null : sums.reduce((one, other) => one + other, whole);
    };
    const keep = (taken, there) => {
      if (there !== null && (bestCost === null || there < bestCost)) [best, bestCost] = [taken, there];
    };
    for (const name of [...new Set(choices.flat().map((one) => one.way.name))].sort()) {
      const taken = choices.map((several) => several.find((one) => one.way.name === name));
      if (taken.every(Boolean)) keep(taken, weigh(taken));
    }
    keep(choices.map((several) => several[0]), weigh(choices.map((several) => several[0])));
    const guess = choices.map((several, at) => several.reduce((least, one) => (part(one, group[at]) < part(least, group[at]) ? one : least)));
    keep(guess, weigh(guess));
    const descend = (at, taken, sets, sofar) => {
      if (bounded && bestCost !== null && sofar + rest[at] >= bestCost) return;
      if (at === group.length) { keep(taken, sofar); return; }
      for (const one of choices[at]) {
        steps += 1;
        if (steps > MOST_STEPS && best !== null) { stopped = true; return; }
        if (one.way.machine) { descend(at + 1, [...taken, one], sets, sofar + one.key); continue; }
        const before = sets.get(one.way.provides) ?? [];
        const after = [...before, group[at]].sort((a, b) => a - b);
        const [was, is] = [before.length ? sum(one.way.provides, before) : 0n, sum(one.way.provides, after)];
        if (is !== null) descend(at + 1, [...taken, one], new Map(sets).set(one.way.provides, after), sofar - was + is + one.key);
      }
    };
    descend(0, [], new Map(), 0n);
    return { best: best ?? choices.map((several) => several[0]), proven: !stopped };
  }

  /** Which way of a line costs least in a month, by that month's volume: [{above, best, cost}], base units as fractions. */
  function stretches(tables, line, ways, volumes) {
    const upto = [horizon(tables, line, volumes), UNIT];
    const found = [];
    let here = [0n, 1n];
    while (below(here, upto)) {
      const lines = [];
      let end = upto;
      for (const { way } of ways) {
        const one = after(tables, way, here);
        if (one === null) continue;
        lines.push({ name: way.name, ...one });
        if (one.end !== null && below(one.end, end)) end = one.end;
      }
      while (below(here, end)) {
        let best = null;
        for (const one of lines) if (best === null || wins(one, best, here)) best = one;
        let next = end;
        for (const one of best ? lines : []) {
          if (!below(one.slope, best.slope)) continue;
          const meet = over(minus(best.at, one.at), minus(one.slope, best.slope));
          if (below(here, meet) && below(meet, next)) next = meet;
        }
        if (!found.length || found.at(-1).best !== (best?.name ?? null)) found.push({ above: here, best: best?.name ?? null, cost: best ? plus(best.at, times(best.slope, here)) : null });
        here = next;
      }
    }
    return found;
  }

  const minus = (one, [c, d]) => plus(one, [-c, d]);
  const over = ([a, b], [c, d]) => (c < 0n ? [-a * d, -b * c] : [a * d, b * c]);

  /** The piece just above a volume. */
  function after(tables, way, volume) {
    const found = piece(tables, way, volume[0] ? volume : [1n, 10n ** 30n]);
    if (found === null || found.end === null || below(volume, found.end)) return found;
    if (way.machine) {
      const more = plus(found.end, way.does);
      return { at: plus(found.at, way.each), slope: found.slope, end: more };
    }
    const { x, y, rows } = tables.curves[way.curve];
    const row = rows[rows.findIndex(([end]) => end !== null && end * volume[1] === volume[0] * x) + 1];
    return row === undefined ? null : { at: plus([row[1], y], way.at), slope: plus([row[2] * x, y], way.slope), end: row[0] === null ? null : [row[0], x] };
  }

  /** Just above a volume: the lesser value, then the lesser slope, then the first name. */
  function wins(one, best, here) {
    const [a, b] = [plus(one.at, times(one.slope, here)), plus(best.at, times(best.slope, here))];
    if (below(a, b) || below(b, a)) return below(a, b);
    if (below(one.slope, best.slope) || below(best.slope, one.slope)) return below(one.slope, best.slope);
    return one.name < best.name;
  }

  /** Corners of a way's curve up to a volume, as numbers: [[base units, USD]]. */
  function corners(tables, way, top) {
    const found = [];
    let here = [0n, 1n];
    while (below(here, top) && found.length < 400) {
      const one = after(tables, way, here);
      if (one === null) break;
      const end = one.end === null || below(top, one.end) ? top : one.end;
      for (const at of [here, end]) found.push([at, plus(one.at, times(one.slope, at))]);
      here = end;
    }
    return found;
  }

  const base = ([whole, part]) => Bill.divided(whole * UNIT, part);
  const number = ([whole, part]) => Number((whole * 10n ** 12n) / part) / 1e12;
  const amount = cut;

  return { read, plan, stretches, corners, base, number, amount };
})();
