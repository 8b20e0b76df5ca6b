// Exit bills at other volumes, to the last digit: `cloudai_pricing.exit_bill` with the monthly costs of the page.
"use strict";

const Leaving = (() => {
  /** A decimal string as [digits, places]. */
  const decimal = (text) => {
    const [whole, fraction = ""] = text.split(".");
    return [BigInt(whole + fraction), fraction.length];
  };

  /** A decimal string as whole parts of 10^-(places + 9). */
  const amount = (tables, text) => Bill.scaled(text, tables.places + 9);

  /** An amount times a decimal string, cut to a billionth of a dollar where `short`. */
  function scaled(tables, one, text, short) {
    const [digits, places] = decimal(text);
    const product = one * digits;
    const unit = 10n ** BigInt(tables.places);
    return short ? Bill.divided(product, 10n ** BigInt(places) * unit) * unit : Bill.divided(product, 10n ** BigInt(places));
  }

  /** A way out with these monthly costs: {source, target, direct, neutral, worth}. */
  function bill(tables, raw, costs) {
    const [source, target] = [costs.get(raw.source) ?? null, costs.get(raw.target) ?? null];
    const [direct, neutral] = [raw.direct, raw.neutral].map((one) => half(tables, raw, one, source, target));
    const worth = direct.residual - neutral.residual - amount(tables, raw.adapter_cost);
    return { raw, source: raw.source, target: raw.target, none: Number(raw.none), direct, neutral, worth };
  }

  function half(tables, raw, one, source, target) {
    const known = [source, target].filter((cost) => cost !== null);
    const least = known.reduce((a, b) => (a < b ? a : b), known[0] ?? 0n);
    const parallel = known.length ? scaled(tables, least, raw.parallel_months, true) : 0n;
    const total = amount(tables, one.fixed) + parallel;
    const [p10, p50, p90] = raw.factors.map((factor) => scaled(tables, total, factor, true));
    const saving = known.length === 2 ? source - target : null;
    const months = saving !== null && saving > 0n ? Bill.divided(total * 10n ** 9n, saving) : null;
    return {
      total, parallel, p10, p50, p90, saving,
      breakEven: months === null ? null : stated(months),
      residual: amount(tables, one.residual_fixed) + scaled(tables, total, one.residual_share, false),
      complete: !raw.stays && known.length > 0,
    };
  }

  /** Billionths as a decimal string. */
  function stated(number) {
    const digits = number.toString().padStart(10, "0");
    return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, "");
  }

  return { amount, bill };
})();
