"use strict";

// The tiles of a slide: where they are, what is known of each, and their picture.
atlas.tiles = (() => {
  // Names of layers that hold clusters of the result.
  const RESULT = "labels";

  function unpack({ bits, values }) {
    const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
    return bits === 16 ? new Uint16Array(bytes.buffer) : bytes;
  }

  const nothing = (layer) => 2 ** layer.bits - 1;

  // Open the data of a slide; `clusters` says which of its clusters count.
  function open(data, clusters) {
    const [x, y] = [unpack(data.x), unpack(data.y)];
    const layers = data.layers.map((layer) => ({ ...layer, codes: unpack(layer) }));
    const result = layers.find((layer) => layer.name === RESULT);
    if (result && clusters && clusters.some((one) => one.score !== null)) {
      const kinds = result.kinds.map((kind, place) => ({
        ...kind,
        counted: !clusters[place] || clusters[place].counted,
      }));
      layers.splice(1, 0, { ...result, name: "tumour", title: "Tumour clusters", kinds });
    }
    const shift = (data.side_px - data.cell_px) / 2;
    const left = (tile) => x[tile] * data.unit_px + shift;
    const top = (tile) => y[tile] * data.unit_px + shift;
    const places = index(data, left, top);
    return { data, layers, left, top, places, cell: data.cell_px, n: data.n_tiles };
  }

  // Tiles by the square of a grid that their corner is in, for the pointer.
  function index(data, left, top) {
    const places = new Map();
    for (let tile = 0; tile < data.n_tiles; tile++) {
      const key = `${Math.floor(left(tile) / data.cell_px)},${Math.floor(top(tile) / data.cell_px)}`;
      if (places.has(key)) places.get(key).push(tile);
      else places.set(key, [tile]);
    }
    return places;
  }

  // The tile at a point in level-0 px, -1 if there is none; of several the one painted last.
  function at(tiles, x, y) {
    const [column, row] = [Math.floor(x / tiles.cell), Math.floor(y / tiles.cell)];
    let found = -1;
    for (const c of [column - 1, column]) {
      for (const r of [row - 1, row]) {
        for (const tile of tiles.places.get(`${c},${r}`) || []) {
          const [across, down] = [x - tiles.left(tile), y - tiles.top(tile)];
          const inside = across >= 0 && down >= 0 && across < tiles.cell && down < tiles.cell;
          if (inside) found = Math.max(found, tile);
        }
      }
    }
    return found;
  }

  function value(layer, tile) {
    const code = layer.codes[tile];
    if (code === nothing(layer)) return null;
    return layer.kinds ? code : layer.min + (code / 65534) * (layer.max - layer.min);
  }

  // Colour of a tile, "" if nothing is painted there. `only` are the kinds that are isolated.
  function colour(layer, tile, only, palette) {
    const known = value(layer, tile);
    if (known === null) return "";
    if (layer.kinds) {
      const kind = layer.kinds[known];
      if (only.size && !only.has(known)) return "";
      return kind.counted === false ? palette.neutral : kind.colour;
    }
    const share = (known - layer.low) / (layer.high - layer.low);
    return palette.shades[Math.min(255, Math.max(0, Math.floor(share * 256)))];
  }

  // Paint a layer, so many pixels per tile that the picture stays below 4096; return it and the
  // rectangle of the slide that it covers, level-0 px.
  function paint(tiles, layer, only, palette) {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let tile = 0; tile < tiles.n; tile++) {
      x0 = Math.min(x0, tiles.left(tile));
      y0 = Math.min(y0, tiles.top(tile));
      x1 = Math.max(x1, tiles.left(tile) + tiles.cell);
      y1 = Math.max(y1, tiles.top(tile) + tiles.cell);
    }
    const across = Math.max(x1 - x0, y1 - y0) / tiles.cell;
    const scale = Math.max(1, Math.min(8, Math.floor(4096 / across))) / tiles.cell;
    const canvas = document.createElement("canvas");
    canvas.width = Math.round((x1 - x0) * scale);
    canvas.height = Math.round((y1 - y0) * scale);
    const context = canvas.getContext("2d");
    for (let tile = 0; tile < tiles.n; tile++) {
      const fill = colour(layer, tile, only, palette);
      if (!fill) continue;
      const [left, top] = [tiles.left(tile) - x0, tiles.top(tile) - y0];
      const [l, t] = [Math.round(left * scale), Math.round(top * scale)];
      context.fillStyle = fill;
      context.fillRect(l, t, Math.round((left + tiles.cell) * scale) - l, Math.round((top + tiles.cell) * scale) - t);
    }
    return { canvas, x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
  }

  return { open, at, value, paint };
})();
