"use strict";

// The page: what stands around the views, and the beginning.
(async () => {
  const { state, cohort, element } = atlas;
  const by = (id) => document.getElementById(id);

  function count() {
    const [chosen, all] = [cohort.chosen().length, cohort.rows().length];
    const unit = cohort.variant().pooled ? "patients" : "slides";
    by("count").textContent = cohort.isNarrowed() ? `${chosen} of ${all} ${unit}` : `${all} ${unit}`;
    by("clear").hidden = !cohort.isNarrowed();
  }

  function listVariants() {
    atlas.fill(by("variant"), cohort.data.variants.map((one) => one.name), cohort.variant().name);
  }

  let data;
  try {
    data = await atlas.load("cohort.js", "cohort");
  } catch (error) {
    document.title = "Atlas: failed";
    by("notice").textContent = `${error.message}: copy the whole folder, or run snakemake atlas.`;
    return;
  }
  cohort.take(data);
  by("footer").textContent = `${data.software}. Before passing this folder on: it holds ids of slides, `
    + "and of patients if the table does; atlas.columns decides what goes in.";
  by("variant").addEventListener("change", () => state.set({ variant: by("variant").value, only: "" }));
  by("clear").addEventListener("click", () => state.set({ brush: "", filters: "" }));
  state.listen((changed) => {
    if (changed.has("variant")) listVariants();
    count();
  });
  listVariants();
  count();
  await Promise.all([atlas.table.build(), atlas.scatter.build(), atlas.survival.build()]);
  await atlas.slide.build();
  if (!state.get("slide")) {
    const first = cohort.rows().find((row) => row.status === "ok");
    if (first) state.set({ slide: first.slide });
  }
  document.title = "Atlas: ready";
})();
