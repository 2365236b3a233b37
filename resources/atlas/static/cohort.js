"use strict";

// The cohort under the variant that is looked at: columns, rows, and which of these are chosen.
atlas.cohort = (() => {
  const state = atlas.state;
  let data = null;
  const cache = { variant: null };

  function variant() {
    return data.variants.find((one) => one.name === state.get("variant")) || data.variants[0];
  }

  // Rows of the table: objects by column, with their place in the sheet.
  function rows() {
    const current = variant();
    if (cache.variant === current) return cache.rows;
    const first = current.columns[0];
    cache.variant = current;
    cache.rows = first.values.map((_, place) => {
      const row = { "·": place };
      for (const column of current.columns) row[column.name] = column.values[place];
      return row;
    });
    cache.columns = new Map(current.columns.map((column) => [column.name, column]));
    return cache.rows;
  }

  function column(name) {
    rows();
    return cache.columns.get(name);
  }

  // Whether a value meets what stands in the filter of its column: part of a text; of numbers a
  // number, "> 3", "<= 2", or "1 - 4".
  const LIMIT = /^\s*(<=|>=|<|>|=|≤|≥)?\s*(-?[\d.]+(?:e-?\d+)?)\s*$/i;
  const SPAN = /^\s*(-?[\d.]+)\s*(?:-|–|\.\.)\s*(-?[\d.]+)\s*$/;

  function matches(filter, value, isNumber) {
    if (filter.trim() === "") return true;
    if (!isNumber) {
      const text = value === null ? "" : String(value);
      return text.toLowerCase().includes(filter.trim().toLowerCase());
    }
    if (value === null) return false;
    const span = filter.match(SPAN);
    if (span) return Number(span[1]) <= value && value <= Number(span[2]);
    const limit = filter.match(LIMIT);
    if (!limit) return false;
    const number = Number(limit[2]);
    switch (limit[1]) {
      case "<": return value < number;
      case ">": return value > number;
      case "<=": case "≤": return value <= number;
      case ">=": case "≥": return value >= number;
      default: return value === number;
    }
  }

  // Filters of columns, by name.
  function filters() {
    const given = Object.entries(state.parsed("filters") || {}).filter(([name]) => column(name));
    return new Map(given.map(([name, filter]) => [name, String(filter)]));
  }

  function brushed() {
    const brush = state.get("brush");
    return brush ? new Set(brush.split(",")) : null;
  }

  // Rows that pass all filters and the brush.
  function chosen() {
    const wanted = brushed();
    const given = [...filters()];
    return rows().filter((row) => (!wanted || wanted.has(row.slide)) && given.every(
      ([name, filter]) => matches(filter, row[name], column(name).number)));
  }

  return {
    take: (given) => { data = given; },
    get data() { return data; },
    variant, rows, column, matches, filters, brushed, chosen,
    isNarrowed: () => brushed() !== null || filters().size > 0,
    columns: () => variant().columns,
    numbers: () => variant().columns.filter((one) => one.number).map((one) => one.name),
    person: (row) => variant().person[row["·"]],
    row: (slide) => rows().find((row) => row.slide === slide),
    analysis() {
      const all = variant().analyses;
      return all.find((one) => one.name === state.get("analysis")) || all[0];
    },
    endpoint() {
      const analysis = this.analysis();
      const wanted = state.get("endpoint");
      return analysis.endpoints.includes(wanted) ? wanted : analysis.endpoints[0];
    },
  };
})();
