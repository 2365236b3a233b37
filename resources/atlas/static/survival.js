"use strict";

// Survival: curves and hazard ratios as they were computed, and a curve of whoever is chosen now.
atlas.survival = (() => {
  const { state, cohort, plots } = atlas;
  const place = document.getElementById("survival");
  const note = document.getElementById("survival-note");
  const selects = Object.fromEntries(
    ["analysis", "endpoint", "figure"].map((name) => [name, document.getElementById(name)]));

  // Where the numbers at risk begin below the axis, and how high their rows are, px.
  const [RISK_TOP, RISK_ROW] = [36, 14];

  // Kaplan and Meier (1958): survival after each time, of months and events (0 or 1).
  function kaplanMeier(months, events) {
    const patients = months.map((time, place) => [time, events[place]]).sort((a, b) => a[0] - b[0]);
    const curve = { time: [0], survival: [1], atRisk: [patients.length] };
    let survival = 1;
    for (let first = 0; first < patients.length;) {
      const time = patients[first][0];
      let last = first;
      let died = 0;
      while (last < patients.length && patients[last][0] === time) died += patients[last++][1];
      const atRisk = patients.length - first;
      survival *= 1 - died / atRisk;
      curve.time.push(time);
      curve.survival.push(survival);
      curve.atRisk.push(atRisk);
      first = last;
    }
    return curve;
  }

  // Patients of the analysis whose follow-up is in the atlas, of some slides; each once.
  function followed(rows) {
    const analysis = cohort.analysis();
    const names = ["months", "event"].map((one) => `${analysis.name}: ${cohort.endpoint()}_${one}`);
    if (!names.every((name) => cohort.column(name))) return null;
    const analysed = `${analysis.name}: analysed`;
    const persons = new Map();
    for (const row of rows) {
      const known = names.every((name) => row[name] !== null);
      if (known && row[analysed] !== false) persons.set(cohort.person(row), names.map((name) => row[name]));
    }
    return [...persons.values()];
  }

  // Curves of the chosen and of the others, if there are both.
  function explored() {
    if (!cohort.isNarrowed()) return [];
    const chosen = cohort.chosen();
    const persons = new Set(chosen.map(cohort.person));
    const others = cohort.rows().filter((row) => !persons.has(cohort.person(row)));
    return [["chosen", chosen], ["others", others]].map(([name, rows]) => {
      const patients = followed(rows);
      return patients && patients.length
        ? { name, n: patients.length, events: patients.filter((one) => one[1]).length,
          ...kaplanMeier(patients.map((one) => one[0]), patients.map((one) => one[1])) }
        : null;
    }).filter(Boolean);
  }

  function step(name, time, survival, atRisk, line) {
    return {
      type: "scatter", mode: "lines", name: plots.plain(name), x: time, y: survival,
      text: atRisk.map(String), line: { shape: "hv", width: 2, ...line },
      hovertemplate: `${plots.plain(name)}<br>%{x:.1f} months: %{y:.3f}<br>at risk %{text}<extra></extra>`,
    };
  }

  function limits(curve, colour) {
    const band = (values, more) => ({
      type: "scatter", mode: "lines", x: curve.time, y: values, hoverinfo: "skip", showlegend: false,
      line: { shape: "hv", width: 0, color: colour }, connectgaps: false, ...more,
    });
    return [band(curve.lower, {}), band(curve.upper, { fill: "tonexty", fillcolor: `${colour}22` })];
  }

  const published = () => cohort.analysis().curves.filter((one) => one.endpoint === cohort.endpoint());

  function curveTraces() {
    const { palette } = cohort.data;
    const traces = [];
    for (const curve of published()) {
      const colour = palette.groups[curve.group] || palette.ink;
      traces.push(...limits(curve, colour));
      const name = `${curve.group || "all"} (n = ${curve.at_risk[0] || 0})`;
      traces.push(step(name, curve.time, curve.survival, curve.at_risk, { color: colour }));
    }
    for (const curve of explored()) {
      const name = `${curve.name}: explored (n = ${curve.n}, ${curve.events} events)`;
      const colour = curve.name === "chosen" ? palette.ink : palette.faint;
      traces.push(step(name, curve.time, curve.survival, curve.atRisk, { color: colour, dash: "dot" }));
    }
    return traces;
  }

  // Patients at risk just before a time: as published at the next step, none after the last.
  function atRisk(curve, month) {
    const next = curve.time.findIndex((time) => time >= month);
    return next < 0 ? 0 : curve.at_risk[next];
  }

  // At most six round numbers of months.
  function ticks(last) {
    const step = [1, 2, 3, 6, 12, 24, 36, 60, 120].find((months) => last / months <= 6) || 240;
    return Array.from({ length: Math.floor(last / step) + 1 }, (_, place) => place * step);
  }

  // A row of numbers below the axis for each published curve, in its colour.
  function riskRows(curves, months) {
    const { palette } = cohort.data;
    const at = (x, text, row, color, more) => ({
      x, y: 0, xref: "x", yref: "paper", yanchor: "top", yshift: -RISK_TOP - row * RISK_ROW,
      text, showarrow: false, font: { size: 11, color }, ...more,
    });
    return [
      at(0, "At risk", 0, palette.ink, { xref: "paper", xanchor: "right", xshift: -12 }),
      ...curves.flatMap((curve, row) => {
        const colour = palette.groups[curve.group] || palette.ink;
        return months.map((month) => at(month, String(atRisk(curve, month)), row, colour));
      }),
    ];
  }

  function words() {
    const endpoint = cohort.endpoint();
    const own = cohort.analysis().estimates.filter((one) => one.endpoint === endpoint);
    const test = own.find((one) => one.model === "log-rank");
    const parts = [];
    if (test && test.p !== null) parts.push(`Log-rank p = ${atlas.number(test.p)}`);
    if (test && test.permutation_p !== null) parts.push(`by permutation ${atlas.number(test.permutation_p)}`);
    if (test && test.p === null) parts.push(`No log-rank test: ${test.reason}`);
    let text = parts.join(", ");
    if (cohort.isNarrowed()) {
      text += followed(cohort.rows()) === null
        ? ". No curve of the chosen: months and events of patients are not in this atlas."
        : ". Dotted: explored after seeing the outcome, not a test.";
    }
    return text;
  }

  // Why there is no hazard ratio, if there is none.
  function missing() {
    const own = cohort.analysis().estimates.filter((one) => one.endpoint === cohort.endpoint());
    if (own.some((one) => one.hazard_ratio !== null)) return "";
    const primary = own.find((one) => one.primary) || own[0];
    return `No hazard ratio was estimated${primary && primary.reason ? `: ${primary.reason}` : ""}.`;
  }

  function label(one) {
    const level = one.level ? ` ${one.level}` : "";
    return plots.plain(`${one.model}: ${one.term}${level}${one.primary ? " ●" : ""}`);
  }

  function forest() {
    const { palette } = cohort.data;
    const rows = cohort.analysis().estimates
      .filter((one) => one.endpoint === cohort.endpoint() && one.hazard_ratio !== null)
      .reverse();
    const ratio = rows.map((one) => one.hazard_ratio);
    return {
      traces: [{
        type: "scatter", mode: "markers", x: ratio, y: rows.map((_, place) => place),
        marker: { color: rows.map((one) => (one.primary ? palette.groups.high : palette.ink)), size: 8 },
        error_x: {
          type: "data", symmetric: false, thickness: 1.5, color: palette.ink,
          array: rows.map((one, place) => (one.upper === null ? 0 : one.upper - ratio[place])),
          arrayminus: rows.map((one, place) => (one.lower === null ? 0 : ratio[place] - one.lower)),
        },
        text: rows.map((one) => [
          `${atlas.number(one.hazard_ratio)} (${atlas.number(one.lower)}–${atlas.number(one.upper)})`,
          `p = ${atlas.number(one.p)}`, `n = ${one.n}, ${one.events} events`].map(plots.plain).join("<br>")),
        hovertemplate: "%{text}<extra></extra>",
      }],
      layout: plots.layout({
        margin: { l: 180, r: 12, t: 8, b: 42 },
        xaxis: { type: "log", title: { text: "Hazard ratio, 95 % interval; ● primary" } },
        yaxis: { tickvals: rows.map((_, place) => place), ticktext: rows.map(label), automargin: true, zeroline: false },
        shapes: [{ type: "line", x0: 1, x1: 1, yref: "paper", y0: 0, y1: 1, line: { color: palette.faint, dash: "dash", width: 1 } }],
      }),
    };
  }

  function draw() {
    if (!cohort.analysis()) return Promise.resolve();
    if (state.get("figure") === "forest") {
      note.textContent = missing();
      const { traces, layout } = forest();
      return Plotly.react(place, traces, layout, plots.settings);
    }
    note.textContent = words();
    const curves = published();
    const months = ticks(Math.max(0, ...curves.flatMap((curve) => curve.time)));
    const layout = plots.layout({
      margin: { l: 56, r: 12, t: 8, b: RISK_TOP + (curves.length + 0.5) * RISK_ROW },
      annotations: curves.length ? riskRows(curves, months) : [],
      showlegend: true,
      legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255,255,255,0.7)" },
      xaxis: { title: { text: "Months", standoff: 2 }, rangemode: "tozero", tickvals: months },
      yaxis: { title: { text: plots.plain(cohort.endpoint()) }, range: [0, 1.02] },
    });
    const traces = curveTraces();
    for (const one of traces) if (one.showlegend === undefined) one.showlegend = true;
    return Plotly.react(place, traces, layout, plots.settings);
  }

  function build() {
    const analysis = cohort.analysis();
    document.getElementById("survival-view").hidden = !analysis;
    if (!analysis) return Promise.resolve();
    const names = cohort.variant().analyses.map((one) => [one.name, `${one.name}: ${one.score}`]);
    atlas.fill(selects.analysis, names, analysis.name);
    atlas.fill(selects.endpoint, analysis.endpoints, cohort.endpoint());
    atlas.fill(selects.figure, [["curves", "Kaplan–Meier"], ["forest", "hazard ratios"]], state.get("figure"));
    return draw();
  }

  plots.watch(place);
  for (const [name, select] of Object.entries(selects)) {
    select.addEventListener("change", () => state.set({ [name]: select.value }));
  }
  state.listen((changed) => {
    if (["variant", "analysis", "endpoint", "figure"].some((name) => changed.has(name))) build();
    else if (changed.has("brush") || changed.has("filters")) draw();
  });

  return { build, kaplanMeier, explored };
})();
