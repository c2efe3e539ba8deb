"use strict";
(() => {
  const NARROW = 560; // pixels of a plot below which its panels are stacked
  const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]; // none that sends anything anywhere
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [BUTTONS], plotlyServerURL: "" };
  const theme = JSON.parse(document.getElementById("theme").textContent);

  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  function merge(target, change) {
    for (const [name, value] of Object.entries(change)) {
      if (isObject(value)) merge((target[name] = isObject(target[name]) ? target[name] : {}), value);
      else target[name] = value;
    }
  }

  function put(target, path, value) {
    const names = path.split(".");
    const last = names.pop();
    for (const name of names) target = target[name] ??= {};
    target[last] = value;
  }

  // Numbers compare as numbers, "1.10" after "1.9"; what is undefined comes last in both directions.
  function comparison(direction) {
    return (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null);
      if (typeof a === "number" && typeof b === "number") return direction * (a - b);
      return direction * String(a).localeCompare(String(b), "en", { numeric: true });
    };
  }

  class NumberTable {
    constructor(details, chosen) {
      this.details = details;
      this.chosen = chosen;
      Object.assign(this, JSON.parse(details.querySelector("script").textContent));
      this.values = this.values.map((column) => (Array.isArray(column) ? column : column.codes.map((code) => column.texts[code])));
      this.n = this.values.length ? this.values[0].length : 0;
      this.known = new Map(this.names.map((name, i) => [name, new Set(this.values[i].map(String))]));
      this.headings = [...details.querySelectorAll("th")];
      this.headings.forEach((heading, i) => heading.firstElementChild.addEventListener("click", () => this.sort(i)));
      details.addEventListener("toggle", () => this.fill());
      this.fill();
    }

    sort(column) {
      const direction = this.headings[column].getAttribute("aria-sort") === "ascending" ? -1 : 1;
      this.headings.forEach((heading) => heading.setAttribute("aria-sort", "none"));
      this.headings[column].setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      this.sorted = { column, direction };
      this.fill();
    }

    // The columns that the figure's present view fixes; a choice that is no value of its column ("median of seeds") does not.
    fixed() {
      const chosen = Object.entries(this.chosen()).filter(([name, value]) => this.known.get(name)?.has(value));
      return new Map(chosen.map(([name, value]) => [this.names.indexOf(name), value]));
    }

    rows(fixed) {
      let rows = [...Array(this.n).keys()];
      for (const [column, value] of fixed) rows = rows.filter((row) => String(this.values[column][row]) === value);
      if (this.sorted) {
        const values = this.values[this.sorted.column];
        const compare = comparison(this.sorted.direction);
        rows.sort((a, b) => compare(values[a], values[b]) || a - b);
      }
      return rows;
    }

    fill() {
      if (!this.details.open) return;
      const fixed = this.fixed();
      const rows = this.rows(fixed);
      this.headings.forEach((heading, i) => (heading.hidden = fixed.has(i)));
      const body = document.createElement("tbody");
      for (const row of rows) {
        const line = body.insertRow();
        this.values.forEach((column, i) => {
          if (fixed.has(i)) return;
          const cell = line.insertCell();
          cell.textContent = column[row] ?? "–";
          cell.className = this.styles[i];
        });
      }
      this.details.querySelector("tbody").replaceWith(body);
      const view = [...fixed].map(([i, value]) => `${this.names[i].replaceAll("_", " ")} ${value}`).join(", ");
      this.details.querySelector(".rows").textContent = view ? `${rows.length} of ${this.n} rows: ${view}.` : `All ${this.n} rows.`;
    }
  }

  class Exhibit {
    constructor(element) {
      this.plot = element.querySelector(".plot");
      this.controls = [...element.querySelectorAll("[data-choice]")];
      // Some exhibits have tables alone.
      const figure = this.plot ? JSON.parse(element.querySelector("script.figure").textContent) : {};
      this.data = figure.data;
      this.layout = { ...figure.layout, template: theme, autosize: true };
      this.frames = new Map((figure.frames ?? []).map((frame) => [frame.name, frame]));
      this.tables = [...element.querySelectorAll("details.numbers")].map((details) => new NumberTable(details, () => this.chosen()));
      this.controls.forEach((control) => control.addEventListener("input", () => this.choose()));
    }

    draw() {
      if (!this.plot) return undefined;
      this.arrange();
      return Plotly.newPlot(this.plot, this.data, this.layout, CONFIG).then(() => {
        this.plot.style.minHeight = "";
        new ResizeObserver(() => this.arrange() && Plotly.react(this.plot, this.data, this.layout, CONFIG)).observe(this.plot);
      });
    }

    // Whether the panels had to be put elsewhere.
    arrange() {
      const arrangement = this.plot.clientWidth < NARROW ? "narrow" : "wide";
      if (arrangement === this.arrangement) return false;
      this.arrangement = arrangement;
      for (const [path, value] of Object.entries(this.layout.meta[arrangement])) put(this.layout, path, value);
      return true;
    }

    chosen() {
      return Object.fromEntries(this.controls.map((control) => [control.dataset.choice, valueOf(control)]));
    }

    choose() {
      this.controls.forEach((control) => {
        if (control.type === "range") control.parentElement.querySelector("output").textContent = valueOf(control);
      });
      const frame = this.frames.get(JSON.stringify(Object.values(this.chosen())));
      frame.data.forEach((change, i) => merge(this.data[i], change));
      merge(this.layout, frame.layout ?? {});
      Plotly.react(this.plot, this.data, this.layout, CONFIG);
      this.tables.forEach((table) => table.fill());
    }
  }

  function valueOf(control) {
    return control.type === "range" ? control.dataset.values.split(" ")[Number(control.value)] : control.value;
  }

  // One after the other, so that the page can be read and scrolled meanwhile.
  async function drawAll() {
    const exhibits = [...document.querySelectorAll("figure.exhibit")].map((element) => new Exhibit(element));
    for (const exhibit of exhibits) {
      await exhibit.draw();
      await new Promise((resolve) => setTimeout(resolve));
    }
    document.body.dataset.drawn = String(exhibits.length);
  }

  drawAll();
})();
