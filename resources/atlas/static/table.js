"use strict";

// The table of slides: sort, filter per column, choose columns, download.
atlas.table = (() => {
  const { state, cohort, element } = atlas;
  const holder = document.getElementById("table");
  const menu = document.querySelector("#columns > div");
  let table = null;
  let ready = Promise.resolve();
  let following = false;
  let marked = state.get("slide");

  // What most people look at first; the others are a click away.
  const FIRST = ["slide", "patient", "status", "n_clusters", "hti_observed", "hta", "stability_ari",
    "n_clustered_tiles", "reason"];

  // Sentences come last: they would push the scores out of sight.
  const LAST = ["reason", "tumour_filter", "tiles_from"];

  function inOrder() {
    const place = ({ name }) => {
      if (LAST.includes(name)) return FIRST.length + 1 + LAST.indexOf(name);
      return FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
    };
    return [...cohort.columns()].sort((one, other) => place(one) - place(other));
  }

  function visible() {
    const wanted = state.parsed("columns");
    const names = new Set(Array.isArray(wanted) ? wanted : FIRST);
    if (!wanted) {
      for (const one of cohort.columns()) if (/: (group|.*_months|.*_event)$/.test(one.name)) names.add(one.name);
    }
    return names;
  }

  function cell(value, column) {
    const text = column.number ? atlas.number(value) : value === null ? "" : String(value);
    return element("span", text, { title: text.length > 24 ? text : "" });
  }

  function definitions() {
    const shown = visible();
    return inOrder().map((column) => ({
      field: column.name,
      title: column.name,
      titleFormatter: () => element("span", column.name, {
        title: cohort.data.meanings[column.name] || column.name,
      }),
      formatter: (given) => cell(given.getValue(), column),
      sorter: column.number ? "number" : "alphanum",
      sorterParams: { alignEmptyValues: "bottom" },
      hozAlign: column.number ? "right" : "left",
      headerFilter: "input",
      headerFilterPlaceholder: column.number ? "> 2, 1 - 3" : "",
      headerFilterFunc: (filter, value) => cohort.matches(String(filter), value, column.number),
      headerFilterLiveFilter: true,
      visible: shown.has(column.name),
      frozen: column.name === "slide",
      maxWidth: 320,
    }));
  }

  function build() {
    following = true;
    if (table) table.destroy();
    table = new Tabulator(holder, {
      data: cohort.rows(),
      columns: definitions(),
      index: "slide",
      height: "100%",
      layout: "fitDataFill",
      nestedFieldSeparator: false,
      placeholder: "No slide is left",
      initialSort: sorting(),
      columnDefaults: { headerSortTristate: true },
      rowFormatter: mark,
    });
    ready = new Promise((resolve) => table.on("tableBuilt", () => {
      follow();
      resolve();
    }));
    table.on("rowClick", (_, row) => state.set({ slide: row.getData().slide, only: "" }));
    table.on("dataFiltered", () => {
      if (following) return;
      const given = table.getHeaderFilters().map((one) => [one.field, String(one.value)]);
      state.set({ filters: given.length ? JSON.stringify(Object.fromEntries(given)) : "" });
    });
    table.on("dataSorted", (sorters) => {
      if (following) return;
      state.set({ sort: sorters.length ? asText(sorters) : "" });
    });
    listColumns();
  }

  function sorting() {
    const wanted = state.parsed("sort");
    return (Array.isArray(wanted) ? wanted : [])
      .filter((one) => Array.isArray(one) && cohort.column(one[0]))
      .map(([column, dir]) => ({ column, dir: dir === "desc" ? "desc" : "asc" }));
  }

  const asText = (sorters) => JSON.stringify(sorters.map(({ field, column, dir }) => [field || column, dir]));

  // Bring the table to the state; what it says of itself meanwhile is no news.
  function follow() {
    following = true;
    const wanted = cohort.filters();
    const current = new Map(table.getHeaderFilters().map((one) => [one.field, String(one.value)]));
    for (const { name } of cohort.columns()) {
      const filter = wanted.get(name) || "";
      if ((current.get(name) || "") !== filter) table.setHeaderFilterValue(name, filter);
    }
    const brushed = cohort.brushed();
    if (brushed) table.setFilter((row) => brushed.has(row.slide));
    else if (table.getFilters().length) table.clearFilter(false);
    const sorters = sorting();
    if (asText(table.getSorters()) !== asText(sorters)) {
      if (sorters.length) table.setSort(sorters);
      else table.clearSort();
    }
    following = false;
  }

  function mark(row) {
    row.getElement().classList.toggle("open", row.getData().slide === state.get("slide"));
    row.getElement().classList.toggle("refused", row.getData().status !== "ok");
  }

  // Mark the row of the open slide, and no longer that of the one before; others have no element yet.
  function showOpen() {
    const current = state.get("slide");
    for (const slide of [marked, current]) if (cohort.row(slide)) mark(table.getRow(slide));
    marked = current;
    // A row that is filtered out cannot be scrolled to.
    if (cohort.chosen().includes(cohort.row(current))) table.scrollToRow(current, "nearest", false);
  }

  function listColumns() {
    const shown = visible();
    menu.replaceChildren(...cohort.columns().map(({ name }) => {
      const box = element("input", "", { type: "checkbox", checked: shown.has(name), value: name });
      box.addEventListener("change", () => {
        const names = [...menu.querySelectorAll("input:checked")].map((one) => one.value);
        state.set({ columns: JSON.stringify(names) });
      });
      const label = element("label");
      label.append(box, name);
      label.title = cohort.data.meanings[name] || "";
      return label;
    }));
  }

  function showColumns() {
    const shown = visible();
    for (const { name } of cohort.columns()) {
      if (shown.has(name)) table.showColumn(name);
      else table.hideColumn(name);
    }
    listColumns();
  }

  state.listen((changed) => {
    if (changed.has("variant")) return build();
    if (["filters", "brush", "sort"].some((name) => changed.has(name))) follow();
    if (changed.has("columns")) showColumns();
    if (changed.has("slide")) showOpen();
  });

  document.getElementById("download").addEventListener("click", () => {
    table.download("csv", "slides.tsv", { delimiter: "\t" });
  });

  return {
    build: () => { build(); return ready; },
    // Slides in the order in which they stand, filtered and sorted.
    order: () => table.getRows("active").map((row) => row.getData().slide),
  };
})();
