"use strict";

// What is looked at, in one place: every view shows it and changes it here, and nowhere else. It stands
// in the address after #, so that a view is a link.
const atlas = {};

atlas.state = (() => {
  const defaults = {
    variant: "", slide: "", layer: "labels", only: "", opacity: "0.7",
    x: "", y: "", analysis: "", endpoint: "", figure: "curves",
    brush: "", filters: "", columns: "", sort: "",
  };
  const listeners = [];
  let values = { ...defaults };
  let written = "";

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    values = { ...defaults };
    for (const [name, value] of given) {
      if (name in defaults) values[name] = value;
    }
  }

  function write() {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) {
      if (value !== defaults[name]) given.set(name, value);
    }
    written = `#${given}`;
    history.replaceState(null, "", written);
  }

  function tell(changed) {
    for (const listener of listeners) listener(changed);
  }

  addEventListener("hashchange", () => {
    if (location.hash === written) return;
    read();
    tell(new Set(Object.keys(defaults)));
  });
  read();

  return {
    get: (name) => values[name],
    // What a value holds as JSON; null if it is empty, or was written by somebody else.
    parsed(name) {
      try {
        const found = JSON.parse(values[name] || "null");
        return typeof found === "object" ? found : null;
      } catch {
        return null;
      }
    },
    // Listeners learn which names changed.
    listen: (listener) => listeners.push(listener),
    set(changes) {
      const changed = new Set(Object.keys(changes).filter((n) => values[n] !== String(changes[n])));
      if (!changed.size) return;
      for (const name of changed) values[name] = String(changes[name]);
      write();
      tell(changed);
    },
  };
})();

// Data come as scripts that call this: browsers let a page from disk read no other files.
atlas.receive = (() => {
  const waiting = new Map();

  atlas.load = (url, name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.onload = () => {
      script.remove();
      if (waiting.delete(name)) reject(new Error(`${url} holds something else`));
    };
    script.onerror = () => {
      script.remove();
      waiting.delete(name);
      reject(new Error(`${url} is missing`));
    };
    waiting.set(name, resolve);
    script.src = url;
    document.head.append(script);
  });

  return ([name, data]) => {
    const resolve = waiting.get(name);
    waiting.delete(name);
    if (resolve) resolve(data);
  };
})();

// An element with text and properties; text is never taken for HTML.
atlas.element = (tag, text = "", properties = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  return Object.assign(element, properties);
};

// Fill a select with [value, text] pairs, or values.
atlas.fill = (select, options, chosen) => {
  const pairs = options.map((one) => (Array.isArray(one) ? one : [one, one]));
  select.replaceChildren(...pairs.map(([value, text]) => atlas.element("option", text, { value })));
  select.value = chosen;
};

// A number as people read it.
atlas.number = (value) => {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
};
