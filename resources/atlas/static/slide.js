"use strict";

// One slide: its picture, a layer of its tiles over it, what the layer means, what a tile has.
atlas.slide = (() => {
  const { state, cohort, element } = atlas;
  const by = (id) => document.getElementById(id);
  const [holder, message, legend, hover] = ["viewer", "message", "legend", "hover"].map(by);
  const KEPT = 5;
  const BARS_UM = [20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

  let viewer = null;
  let shown = null; // {slide, folder, tiles, width}: what is open
  let overlay = null;
  let request = 0;
  const cache = new Map();

  function build() {
    viewer = OpenSeadragon({
      element: holder,
      // WebGL cannot draw pictures from disk.
      drawer: "canvas",
      showNavigationControl: false,
      maxZoomPixelRatio: 8,
      maxImageCacheCount: 100,
      animationTime: 0.3,
      gestureSettingsMouse: { clickToZoom: false },
    });
    viewer.addHandler("update-viewport", drawScale);
    viewer.addHandler("open-failed", () => say("The picture of this slide is missing: was the whole folder copied?"));
    viewer.innerTracker.keyHandler = null;
    viewer.innerTracker.keyDownHandler = null;
    new OpenSeadragon.MouseTracker({
      element: viewer.container,
      moveHandler: (event) => pointAt(event.position),
      leaveHandler: () => describe(-1),
    });
  }

  // --- opening --------------------------------------------------------------------------------------

  async function load(folder, slide) {
    const place = `slides/${folder}/${slide}`;
    if (!cache.has(place)) {
      const data = await atlas.load(`${place}/slide.js`, `slide ${folder}/${slide}`);
      cache.set(place, data);
      if (cache.size > KEPT) cache.delete(cache.keys().next().value);
    }
    return { place, data: cache.get(place) };
  }

  async function open() {
    const slide = state.get("slide");
    const ticket = ++request;
    const row = cohort.row(slide);
    clear();
    by("slide-name").textContent = slide;
    if (!row) {
      say(slide ? `No slide ${slide} under this variant.` : "Click a slide in the table, or a point of the plot.");
      return;
    }
    const variant = cohort.variant();
    let found;
    try {
      found = await load(variant.folder, slide);
    } catch (error) {
      if (ticket === request) say(`${error.message}: run snakemake atlas again, or copy the whole folder.`);
      return;
    }
    if (ticket !== request) return;
    const { place, data } = found;
    const tiles = atlas.tiles.open(data, variant.clusters[slide]);
    shown = { slide, place, data, tiles, clusters: variant.clusters[slide] || [] };
    if (data.status !== "ok") say(`${data.status}: ${data.reason}`);
    by("notes").replaceChildren(...data.notes.map((note) => element("li", note)));
    const link = by("qupath");
    link.hidden = !variant.in_qupath;
    link.href = `../qupath/${variant.name}/${slide}.geojson`;
    showOthers(row);
    listScans(place, data.scans);
    listLayers();
    const opened = new Promise((resolve) => {
      viewer.addOnceHandler("open", resolve);
      viewer.addOnceHandler("open-failed", resolve);
    });
    viewer.open(await source(place, data));
    await opened;
    if (ticket !== request) return;
    paint();
    drawScale();
    holder.dataset.open = slide;
  }

  // Deep zoom where it was asked for, else the picture.
  async function source(place, data) {
    if (cohort.data.zoomed.includes(data.slide)) {
      const folder = `pyramids/${data.slide}`;
      const image = await atlas.load(`${folder}/pyramid.js`, `pyramid ${data.slide}`);
      if (image) return { Image: { ...image, xmlns: "http://schemas.microsoft.com/deepzoom/2008", Url: `${folder}/pyramid_files/` } };
    }
    return { type: "image", url: `${place}/${data.picture}`, buildPyramid: false };
  }

  function clear() {
    shown = null;
    delete holder.dataset.open;
    removeOverlay();
    viewer.close();
    say("");
    for (const id of ["legend", "exemplars", "hover", "notes", "others", "scans", "array", "layer"]) by(id).replaceChildren();
    by("qupath").hidden = true;
  }

  function removeOverlay() {
    if (!overlay) return;
    viewer.removeOverlay(overlay.canvas);
    // Browsers collect canvases late, and their pixels are many.
    overlay.canvas.width = overlay.canvas.height = 0;
    overlay = null;
  }

  function say(text) {
    message.textContent = text;
    message.hidden = !text;
  }

  // --- layers ---------------------------------------------------------------------------------------

  function layer() {
    if (!shown) return null;
    return shown.tiles.layers.find((one) => one.name === state.get("layer")) || shown.tiles.layers[0] || null;
  }

  // Kinds that are isolated, by number.
  function only() {
    const kinds = layer() && layer().kinds;
    if (!kinds || !state.get("only")) return new Set();
    return new Set(state.get("only").split(",").map(Number).filter((number) => number in kinds));
  }

  function listLayers() {
    const options = shown.tiles.layers.map((one) => [one.name, one.title]);
    atlas.fill(by("layer"), [...options, ["none", "H&E alone"]], state.get("layer") === "none" ? "none" : (layer() || { name: "none" }).name);
    by("opacity").value = state.get("opacity");
  }

  function paint() {
    if (!shown) return;
    const current = state.get("layer") === "none" ? null : layer();
    removeOverlay();
    legend.replaceChildren();
    by("exemplars").replaceChildren();
    if (!current || !viewer.isOpen()) return;
    overlay = atlas.tiles.paint(shown.tiles, current, only(), cohort.data.palette);
    overlay.canvas.className = "tiles";
    overlay.canvas.style.opacity = state.get("opacity");
    const width = shown.data.size_px[0];
    viewer.addOverlay({
      element: overlay.canvas,
      location: new OpenSeadragon.Rect(...["x", "y", "width", "height"].map((name) => overlay[name] / width)),
    });
    if (current.kinds) explainKinds(current);
    else explainShades(current);
    if (current.kinds && ["labels", "tumour"].includes(current.name)) showExemplars();
  }

  function explainKinds(current) {
    const isolated = only();
    const total = current.kinds.reduce((sum, kind) => sum + kind.n, 0);
    legend.append(element("h2", `${current.title}: ${total} tiles`));
    current.kinds.forEach((kind, number) => {
      const cluster = ["labels", "tumour"].includes(current.name) ? shown.clusters[number] : null;
      let text = `${kind.label}: ${kind.n} (${Math.round((100 * kind.n) / total)} %)`;
      if (cluster && cluster.score !== null) text += `, score ${atlas.number(cluster.score)}`;
      if (cluster && !cluster.counted) text += ", not counted";
      const entry = element("button", text, { type: "button", className: "kind", title: "Show this alone; with Shift, several" });
      entry.dataset.n = kind.n;
      const colour = element("i");
      colour.style.background = kind.counted === false ? cohort.data.palette.neutral : kind.colour;
      entry.prepend(colour);
      entry.setAttribute("aria-pressed", isolated.has(number));
      entry.addEventListener("click", (event) => isolate(number, event.shiftKey));
      legend.append(entry);
    });
  }

  function isolate(number, more) {
    const current = only();
    const next = more ? current : new Set(current.has(number) && current.size === 1 ? [number] : []);
    if (next.has(number)) next.delete(number);
    else next.add(number);
    state.set({ only: [...next].sort((a, b) => a - b).join(",") });
  }

  function explainShades(current) {
    legend.append(element("h2", current.title));
    const bar = element("canvas", "", { width: 256, height: 1, className: "shades" });
    const context = bar.getContext("2d");
    cohort.data.palette.shades.forEach((shade, place) => {
      context.fillStyle = shade;
      context.fillRect(place, 0, 1, 1);
    });
    const ends = element("div", "", { className: "ends" });
    ends.append(element("span", atlas.number(current.low)), element("span", atlas.number(current.high)));
    legend.append(bar, ends);
  }

  // Typical tiles of the clusters that are looked at.
  function showExemplars() {
    const isolated = only();
    const wanted = shown.data.exemplars.filter((one) => !isolated.size || isolated.has(one.cluster));
    const clusters = [...new Set(wanted.map((one) => one.cluster))];
    by("exemplars").replaceChildren(...clusters.map((cluster) => {
      const kind = layer().kinds[cluster];
      const group = element("figure");
      group.append(element("figcaption", `Typical of ${kind.label}`));
      group.firstChild.style.borderColor = kind.colour;
      for (const one of wanted.filter((each) => each.cluster === cluster)) {
        const picture = element("img", "", {
          src: `${shown.place}/${one.file}`, loading: "lazy", title: `Tile ${one.tile}: click to go there`,
          alt: `tile ${one.tile}`,
        });
        picture.addEventListener("click", () => goTo(one.tile));
        group.append(picture);
      }
      return group;
    }));
  }

  function goTo(row) {
    const tile = shown.data.rows ? shown.data.rows.indexOf(row) : row;
    const width = shown.data.size_px[0];
    const reach = 6 * shown.tiles.cell;
    viewer.viewport.fitBounds(new OpenSeadragon.Rect(
      (shown.tiles.left(tile) - reach) / width, (shown.tiles.top(tile) - reach) / width,
      (2 * reach + shown.tiles.cell) / width, (2 * reach + shown.tiles.cell) / width));
    describe(tile);
  }

  // --- the pointer ----------------------------------------------------------------------------------

  function pointAt(position) {
    if (!shown || !viewer.isOpen() || !shown.data.size_px) return;
    const point = viewer.viewport.pointFromPixel(position);
    const width = shown.data.size_px[0];
    describe(atlas.tiles.at(shown.tiles, point.x * width, point.y * width));
  }

  function describe(tile) {
    hover.dataset.tile = tile;
    if (!shown || tile < 0) return hover.replaceChildren();
    const { data, tiles } = shown;
    const rows = [
      ["Tile", String(data.rows ? data.rows[tile] : tile)],
      ["x, y (mm)", [tiles.left(tile), tiles.top(tile)].map((px) => ((px * data.mpp) / 1000).toFixed(2)).join(", ")],
      ...tiles.layers.filter((one) => one.name !== "tumour").map((one) => {
        const value = atlas.tiles.value(one, tile);
        if (value === null) return [one.title, "–"];
        return [one.title, one.kinds ? one.kinds[value].label : atlas.number(value)];
      }),
    ];
    hover.replaceChildren(...rows.map(([name, value]) => {
      const row = element("tr");
      row.append(element("th", name), element("td", value));
      return row;
    }));
  }

  // --- scale, neighbours ----------------------------------------------------------------------------

  function drawScale() {
    const bar = by("scale");
    const known = shown && shown.data.mpp && shown.data.size_px && viewer.isOpen();
    bar.hidden = !known;
    if (!known) return;
    const across = viewer.viewport.deltaPixelsFromPoints(new OpenSeadragon.Point(1, 0), true).x;
    const umPerPixel = (shown.data.size_px[0] * shown.data.mpp) / across;
    const fitting = BARS_UM.filter((um) => um / umPerPixel <= 200);
    const um = fitting.length ? fitting[fitting.length - 1] : BARS_UM[0];
    bar.querySelector("div").style.width = `${um / umPerPixel}px`;
    bar.querySelector("span").textContent = um < 1000 ? `${um} µm` : `${um / 1000} mm`;
  }

  // Other slides of the patient; and of a core, the array that it is of.
  function showOthers(row) {
    const person = cohort.person(row);
    const array = cohort.data.arrays.find((one) => one.slides.includes(row.slide));
    const others = cohort.rows().filter((one) => one !== row && cohort.person(one) === person);
    if (others.length) by("others").append("Same patient: ", ...others.map((one) => link(one.slide)));
    if (array) drawArray(array, row.slide);
  }

  function link(slide) {
    const button = element("button", slide, { type: "button", className: "link" });
    button.addEventListener("click", () => state.set({ slide, only: "" }));
    return button;
  }

  // CT scans of the patient: their planes, over the page until they are closed.
  function listScans(place, scans) {
    if (!scans.length) return;
    by("scans").append("CT: ", ...scans.map(({ scan, file }) => {
      const button = element("button", scan, { type: "button", className: "link" });
      button.addEventListener("click", () => {
        const dialog = by("scan");
        dialog.querySelector("strong").textContent = scan;
        Object.assign(dialog.querySelector("img"), { src: `${place}/${file}`, alt: `Planes of ${scan}` });
        dialog.showModal();
      });
      return button;
    }));
  }

  function drawArray(array, current) {
    const map = element("div", "", { className: "cores" });
    map.style.aspectRatio = String(array.shape);
    array.slides.forEach((slide, place) => {
      const row = cohort.row(slide);
      const core = element("button", "", { type: "button", title: slide });
      for (const [side, share] of [["left", "x"], ["top", "y"], ["width", "width"], ["height", "height"]]) {
        core.style[side] = `${100 * array[share][place]}%`;
      }
      core.className = slide === current ? "core open" : row && row.status === "ok" ? "core" : "core refused";
      core.addEventListener("click", () => state.set({ slide, only: "" }));
      map.append(core);
    });
    by("array").replaceChildren(element("h2", "Cores of this array"), map);
  }

  function go(step) {
    const order = atlas.table.order();
    if (!order.length) return;
    const place = order.indexOf(state.get("slide"));
    const next = place < 0 ? (step > 0 ? 0 : order.length - 1) : (place + step + order.length) % order.length;
    state.set({ slide: order[next], only: "" });
  }

  by("previous").addEventListener("click", () => go(-1));
  by("next").addEventListener("click", () => go(1));
  by("layer").addEventListener("change", () => state.set({ layer: by("layer").value, only: "" }));
  by("opacity").addEventListener("input", () => state.set({ opacity: by("opacity").value }));
  addEventListener("keydown", (event) => {
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") go(1);
    if (event.key === "k") go(-1);
  });
  state.listen((changed) => {
    if (changed.has("slide") || changed.has("variant")) return open();
    if (changed.has("layer")) { if (shown) listLayers(); }
    if (changed.has("layer") || changed.has("only")) return paint();
    if (changed.has("opacity") && overlay) overlay.canvas.style.opacity = state.get("opacity");
  });

  return {
    build: () => { build(); return open(); },
    get viewer() { return viewer; },
  };
})();
