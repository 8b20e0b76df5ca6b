// The bill of a workload at other volumes, to the last digit: `cloudai_pricing.billing` over the tables in the page.
// Quantities are whole billionths of a unit and prices whole parts of 10^-places: BigInt all the way, no floats.
"use strict";

const Bill = (() => {
  const UNIT = 10n ** 9n;

  const abs = (number) => (number < 0n ? -number : number);

  /** The nearest whole number, halves to the even one. */
  function divided(over, under) {
    const whole = over / under;
    const twice = abs(over - whole * under) * 2n;
    const up = twice > under || (twice === under && whole % 2n !== 0n);
    return up ? whole + (over < 0n ? -1n : 1n) : whole;
  }

  /** A decimal string as whole parts of 10^-places, cut as Python's `quantize` does. */
  function scaled(text, places) {
    const [whole, fraction = ""] = text.split(".");
    const digits = BigInt(whole + fraction);
    const over = fraction.length - places;
    return over <= 0 ? digits * 10n ** BigInt(-over) : divided(digits, 10n ** BigInt(over));
  }

  const exact = (text) => {
    const [whole, fraction = ""] = text.split(".");
    return [BigInt(whole + fraction), 10n ** BigInt(fraction.length)];
  };

  /** The tables of the page with numbers in place of texts. */
  function read(data) {
    const money = (text) => scaled(text, data.places);
    return {
      months: data.months,
      places: data.places,
      grown: data.grown.map((several) => several.map(exact)),
      lines: data.lines.map((line) => ({ ...line, size: scaled(line.factor, 9), base: scaled(line.base, 9) })),
      prices: data.prices.map((price) => ({
        size: BigInt(price.size),
        counter: price.counter,
        freeCounter: price.free_counter,
        allowed: price.allowed.map((text) => scaled(text, 9)),
        committed: price.fee !== null,
        fee: price.fee === null ? 0n : money(price.fee),
        tiers: price.tiers.map(([upTo, each]) => [
          upTo === null ? null : scaled(upTo, 9),
          each === null ? null : money(each),
        ]),
      })),
      providers: data.providers.map((one) => ({
        ...one,
        plans: one.plans.map(([line, charges]) => ({
          line,
          charges: charges.map(([price, ratios, times]) => ({
            price,
            ratios: ratios.map(([over, under]) => [BigInt(over), BigInt(under)]),
            times: BigInt(times),
          })),
        })),
      })),
    };
  }

  /** Base units of a volume that is stated in the line's unit. */
  const baseOf = (line, stated) => divided(stated * line.size, UNIT);

  function inMonth(tables, line, base, month) {
    if (line.once) return month === 0 ? base : 0n;
    if (line.grown === null) return base;
    const [over, under] = tables.grown[line.grown][month];
    return divided(base * over, under);
  }

  /** Base units that a price bills for a volume. */
  function units(charge, volume) {
    let found = volume;
    for (const [over, under] of charge.ratios) found = divided(found * over, under);
    return found * charge.times;
  }

  const larger = (one, other) => (one > other ? one : other);
  const smaller = (one, other) => (one < other ? one : other);

  /** The cost of the units from `begin` to `end`, free up to `paid`. */
  function climb(price, begin, paid, end) {
    if (price.size !== 1n) [begin, paid, end] = [begin, paid, end].map((each) => divided(each, price.size));
    let cost = 0n;
    let start = 0n;
    for (const [upTo, each] of price.tiers) {
      const upper = upTo === null ? end : smaller(end, upTo);
      const from = larger(paid, start);
      if (upper > from) {
        if (each === null) return [cost, true];
        cost += (upper - from) * each;
      }
      if (upTo === null || end <= upTo) return [cost, false];
      start = upTo;
    }
    return [cost, end > larger(paid, start)];
  }

  /** One month of a provider: [cost, whether a part has no price]. `amounts`: base units by line number. */
  function month(tables, plans, amounts, number) {
    const positions = new Map();
    const used = new Map();
    let cost = 0n;
    let unknown = false;
    for (const plan of plans) {
      const amount = amounts[plan.line];
      if (!amount) continue;
      for (const charge of plan.charges) {
        const price = tables.prices[charge.price];
        const billed = units(charge, amount);
        if (price.committed && !positions.has(price.counter)) cost += price.fee * UNIT;
        const position = positions.get(price.counter) ?? 0n;
        const allowed = price.allowed[Math.min(number, price.allowed.length - 1)];
        let free = 0n;
        if (allowed) {
          const before = used.get(price.freeCounter) ?? 0n;
          free = smaller(billed, larger(allowed - before, 0n));
          used.set(price.freeCounter, before + free);
        }
        const [each, open] = climb(price, position, position + free, position + billed);
        cost += each;
        unknown = unknown || open;
        positions.set(price.counter, position + billed);
      }
    }
    return [cost, unknown];
  }

  /** All months of a provider. `bases`: base units of month 1 by line number. */
  function total(tables, provider, bases) {
    const months = [];
    let sum = 0n;
    let complete = provider.complete;
    for (let number = 0; number < tables.months; number += 1) {
      const amounts = [];
      for (const plan of provider.plans) {
        amounts[plan.line] = inMonth(tables, tables.lines[plan.line], bases[plan.line], number);
      }
      const [cost, unknown] = month(tables, provider.plans, amounts, number);
      complete = complete && !unknown;
      sum += cost;
      months.push(cost);
    }
    return { months, total: sum, complete };
  }

  /** The plans of one line alone in its first month: what a volume of base units costs. */
  function alone(tables, provider, line, base) {
    const plans = provider.plans.filter((plan) => plan.line === line);
    if (!plans.length) return null;
    const amounts = [];
    amounts[line] = base;
    return month(tables, plans, amounts, 0);
  }

  /** The least volume (base units) at which a charge bills so many base units. */
  function volumeAt(charge, billed) {
    let found = (billed + charge.times - 1n) / charge.times;
    for (const [over, under] of [...charge.ratios].reverse()) found = (found * under + over - 1n) / over;
    return found;
  }

  /** Volumes (base units) at which the price of the next unit of a line changes on a provider, when it is alone. */
  function edges(tables, provider, line) {
    const found = [];
    for (const plan of provider.plans.filter((one) => one.line === line)) {
      for (const charge of plan.charges) {
        const price = tables.prices[charge.price];
        if (charge.ratios.some(([over]) => over === 0n)) continue;
        const bounds = price.tiers.filter(([upTo]) => upTo !== null).map(([upTo]) => upTo * price.size);
        if (price.allowed[0]) bounds.push(price.allowed[0]);
        for (const bound of bounds) if (bound > 0n) found.push(volumeAt(charge, bound));
      }
    }
    return found;
  }

  /** A money amount as a decimal string without trailing zeros. */
  function plain(tables, amount) {
    const digits = amount.toString().padStart(tables.places + 10, "0");
    const at = digits.length - tables.places - 9;
    const fraction = digits.slice(at).replace(/0+$/, "");
    return digits.slice(0, at) + (fraction ? `.${fraction}` : "");
  }

  const grouped = (digits) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

  /** A money amount as Python's `exact.money` writes it. */
  function money(tables, amount) {
    const places = tables.places + 9;
    if (amount < 0n) return `-${money(tables, -amount)}`;
    if (amount > 0n && amount * 100n < 10n ** BigInt(places)) return `$${twoDigits(amount, places)}`;
    const cents = divided(amount, 10n ** BigInt(places - 2)).toString().padStart(3, "0");
    return `$${grouped(cents.slice(0, -2))}.${cents.slice(-2)}`;
  }

  function twoDigits(amount, places) {
    const length = amount.toString().length;
    const step = 10n ** BigInt(Math.max(length - 2, 0));
    const short = (divided(amount, step) * step).toString().padStart(places + 1, "0");
    return `${short.slice(0, -places)}.${short.slice(-places)}`.replace(/0+$/, "");
  }

  /** Base units as a volume in the line's unit, at most `places` decimals. */
  function stated(line, base, places = 9) {
    const parts = divided(base * 10n ** BigInt(places), line.size);
    const digits = parts.toString().padStart(places + 1, "0");
    const whole = digits.slice(0, digits.length - places);
    const fraction = places ? digits.slice(-places).replace(/0+$/, "") : "";
    return fraction ? `${whole}.${fraction}` : whole;
  }

  const number = (tables, amount) => Number(plain(tables, amount));

  return { UNIT, scaled, divided, read, baseOf, inMonth, total, alone, edges, plain, money, grouped, stated, number };
})();
