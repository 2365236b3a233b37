"use strict";

// What both plots share.
atlas.plots = {
  // Plotly takes some HTML in texts: here there is none.
  plain: (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
  layout: (more) => ({
    margin: { l: 56, r: 12, t: 8, b: 42 },
    font: { family: "system-ui, sans-serif", size: 12 },
    showlegend: false,
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    ...more,
  }),
  // Plotly follows the window; a plot may also grow because another one is not there.
  watch: (place) => new ResizeObserver(() => {
    if (place.data && place.clientHeight) Plotly.Plots.resize(place);
  }).observe(place),
  settings: {
    displaylogo: false,
    modeBarButtonsToRemove: ["autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "svg" },
  },
};

// Any two numbers of the slides against each other; a lasso chooses slides.
atlas.scatter = (() => {
  const { state, cohort, plots } = atlas;
  const place = document.getElementById("scatter");
  const selects = { x: document.getElementById("x"), y: document.getElementById("y") };
  const DEFAULTS = { x: ["n_clusters", "n_all_clusters"], y: ["hti_observed", "hta", "n_clustered_tiles"] };

  function axis(name) {
    const numbers = cohort.numbers();
    if (numbers.includes(state.get(name))) return state.get(name);
    return DEFAULTS[name].find((one) => numbers.includes(one)) || numbers[0] || "";
  }

  function trace(rows, x, y, marker, more = {}) {
    return {
      type: "scatter", mode: "markers", marker,
      x: rows.map((row) => row[x]), y: rows.map((row) => row[y]),
      customdata: rows.map((row) => row.slide),
      text: rows.map((row) => plots.plain(row.slide)),
      hovertemplate: `%{text}<br>${plots.plain(x)} %{x}<br>${plots.plain(y)} %{y}<extra></extra>`,
      ...more,
    };
  }

  // A ring around the open slide: to move it draws no point anew.
  function ring() {
    const open = cohort.row(state.get("slide"));
    const [x, y] = open ? [open[axis("x")], open[axis("y")]] : [null, null];
    if (typeof x !== "number" || typeof y !== "number") return [];
    return [{
      type: "circle", xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y,
      x0: -9, x1: 9, y0: -9, y1: 9, line: { color: cohort.data.palette.ink, width: 2 },
    }];
  }

  function draw() {
    const [x, y] = [axis("x"), axis("y")];
    const { palette } = cohort.data;
    const known = (row) => row[x] !== null && row[y] !== null;
    const chosen = cohort.chosen().filter(known);
    const inside = new Set(chosen);
    const others = cohort.rows().filter((row) => known(row) && !inside.has(row));
    const plain = { selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 1 } } };
    const traces = [
      trace(others, x, y, { color: palette.neutral, size: 8 }, plain),
      trace(chosen, x, y, { color: palette.groups.low, size: 9, line: { color: "#fff", width: 1 } }, plain),
    ];
    const layout = plots.layout({
      dragmode: "lasso", selections: [], shapes: ring(),
      xaxis: { title: { text: plots.plain(x) } }, yaxis: { title: { text: plots.plain(y) } },
    });
    return Plotly.react(place, traces, layout, plots.settings);
  }

  function build() {
    for (const [name, select] of Object.entries(selects)) {
      atlas.fill(select, cohort.numbers(), axis(name));
    }
    return draw();
  }

  function listen() {
    place.on("plotly_selected", (event) => {
      if (!event || !event.points || !event.points.length) return;
      const slides = new Set(event.points.map((point) => point.customdata));
      const ordered = cohort.rows().map((row) => row.slide).filter((slide) => slides.has(slide));
      state.set({ brush: ordered.join(",") });
    });
    place.on("plotly_deselect", () => state.set({ brush: "" }));
    place.on("plotly_click", (event) => {
      const slide = event.points[0] && event.points[0].customdata;
      if (slide) state.set({ slide, only: "" });
    });
  }

  plots.watch(place);
  for (const [name, select] of Object.entries(selects)) {
    select.addEventListener("change", () => state.set({ [name]: select.value }));
  }
  state.listen((changed) => {
    if (changed.has("variant") || changed.has("x") || changed.has("y")) build();
    else if (changed.has("brush") || changed.has("filters")) draw();
    else if (changed.has("slide")) Plotly.relayout(place, { shapes: ring() });
  });

  return { build: () => build().then(listen) };
})();
