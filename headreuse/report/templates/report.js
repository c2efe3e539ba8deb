"use strict";
(() => {
  const NARROW = 560; // pixels of a plot below which its panels are stacked
  const CONFIG = { responsive: true, displayModeBar: false, plotlyServerURL: "" };
  const night = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  const page = { theme: "", dark: [], isPrinted: false };

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

  // What headreuse/report/packing.py packed: base64 of deflated text.
  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }

  // The text of a figure in the colours of a dark page; exports and prints are always light.
  function coloured(text, isDark) {
    return isDark ? page.dark.reduce((changed, [light, dark]) => changed.replaceAll(light, dark), text) : text;
  }

  const isDark = () => night.matches && !page.isPrinted;

  function save(name, url) {
    const link = document.createElement("a");
    link.href = url;
    link.download = `${document.body.dataset.study}-${name}`.replace(/[^\w.-]+/g, "_");
    link.click();
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
      this.headings = [...details.querySelectorAll("th")];
      this.headings.forEach((heading, i) => heading.firstElementChild.addEventListener("click", () => this.sort(i)));
      details.addEventListener("toggle", () => this.fill());
      this.fill();
    }

    // Unpacked when it is first asked for, since most tables never are.
    load() {
      this.loading ??= unpacked(this.details.querySelector("script")).then((text) => {
        Object.assign(this, JSON.parse(text));
        this.values = this.values.map((column) => (Array.isArray(column) ? column : column.codes.map((code) => column.texts[code])));
        this.n = this.values.length ? this.values[0].length : 0;
        this.known = new Map(this.names.map((name, i) => [name, new Set(this.values[i].map(String))]));
      });
      return this.loading;
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

    async fill() {
      if (!this.details.open) return;
      await this.load();
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
      this.details.dataset.filled = "";
    }

    // Every row, whatever the view.
    async csv() {
      await this.load();
      const quoted = (value) => (value === null ? "" : /[",\n\r]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
      const rows = [...Array(this.n).keys()].map((row) => this.values.map((column) => quoted(column[row])).join(","));
      return [this.names.map(quoted).join(","), ...rows, ""].join("\n");
    }
  }

  class Exhibit {
    constructor(element) {
      this.element = element;
      this.plot = element.querySelector(".plot");
      this.controls = [...element.querySelectorAll("[data-choice]")];
      this.tables = [...element.querySelectorAll("details.numbers")].map((details) => new NumberTable(details, () => this.chosen()));
      this.controls.forEach((control) => control.addEventListener("input", () => this.choose()));
      element.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => this.save(button.dataset.save)));
    }

    async draw() {
      if (!this.plot) return; // some exhibits have tables alone
      this.text = await unpacked(this.element.querySelector("script.figure"));
      this.dress();
      await Plotly.newPlot(this.plot, this.figure.data, this.figure.layout, CONFIG);
      this.plot.style.minHeight = "";
      new ResizeObserver(() => this.plot.clientWidth && this.arrangement() !== this.arranged && this.redraw()).observe(this.plot);
    }

    // The figure anew, in the page's colours, as its controls and its width ask.
    dress() {
      this.arranged = this.arrangement();
      this.figure = this.made(isDark(), this.arranged);
    }

    // The figure and its views in these colours, parsed once: a slider asks for one view after the other.
    parsed(isDark) {
      if (this.held?.isDark !== isDark) {
        const { data, layout: { meta = {}, ...layout } } = JSON.parse(coloured(this.text, isDark));
        const template = JSON.parse(coloured(page.theme, isDark));
        this.held = { isDark, meta, shown: { data, layout: { ...layout, template, autosize: true } }, views: JSON.parse(meta.views ?? "{}") };
      }
      return this.held;
    }

    made(isDark, arrangement) {
      const { meta, shown, views } = this.parsed(isDark);
      const { data, layout } = structuredClone(shown);
      layout.dragmode = touch.matches ? false : "zoom"; // a finger scrolls the page
      const view = views[JSON.stringify(Object.values(this.chosen()))];
      view?.data.forEach((change, i) => merge(data[i], structuredClone(change)));
      merge(layout, structuredClone(view?.layout ?? {}));
      // A figure without panels has no arrangements.
      for (const [path, value] of Object.entries(meta[arrangement] ?? {})) put(layout, path, value);
      return { data, layout };
    }

    arrangement() {
      return this.plot.clientWidth < NARROW ? "narrow" : "wide";
    }

    redraw() {
      this.dress();
      return Plotly.react(this.plot, this.figure.data, this.figure.layout, CONFIG);
    }

    chosen() {
      return Object.fromEntries(this.controls.map((control) => [control.dataset.choice, valueOf(control)]));
    }

    choose() {
      this.controls.forEach((control) => {
        if (control.type === "range") control.parentElement.querySelector("output").textContent = valueOf(control);
      });
      if (this.figure) this.redraw();
      this.tables.forEach((table) => table.fill());
    }

    async save(format) {
      if (format === "csv") {
        for (const [i, table] of this.tables.entries()) {
          const url = URL.createObjectURL(new Blob([await table.csv()], { type: "text/csv" }));
          save(`${this.element.id}${i ? `-${i + 1}` : ""}.csv`, url);
          setTimeout(() => URL.revokeObjectURL(url), 1000);
        }
        return;
      }
      const size = { width: this.plot.clientWidth, height: this.plot.clientHeight, scale: format === "png" ? 2 : 1 };
      save(`${this.element.id}.${format}`, await Plotly.toImage(this.made(false, this.arranged), { format, ...size }));
    }
  }

  function valueOf(control) {
    return control.type === "range" ? control.dataset.values.split(" ")[Number(control.value)] : control.value;
  }

  async function begin() {
    const { theme, dark } = JSON.parse(await unpacked(document.getElementById("theme")));
    Object.assign(page, { theme: JSON.stringify(theme), dark });
    const plotly = document.createElement("script");
    plotly.textContent = await unpacked(document.getElementById("plotly"));
    document.head.append(plotly);
  }

  // One after the other, so that the page can be read and scrolled meanwhile.
  async function drawAll(exhibits) {
    for (const exhibit of exhibits) {
      await exhibit.draw();
      await new Promise((resolve) => setTimeout(resolve));
    }
    document.body.dataset.drawn = String(exhibits.length);
  }

  // Marks the section that is read in the list of contents, which scrolls to it.
  function follow() {
    const bar = document.querySelector("nav div");
    const links = new Map([...bar.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
    const mark = (link) => {
      links.forEach((other) => other.removeAttribute("aria-current"));
      link.setAttribute("aria-current", "true");
      bar.scrollTo({ left: link.offsetLeft - bar.clientWidth / 2 });
    };
    const seen = (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => mark(links.get(entry.target.id)));
    const observer = new IntersectionObserver(seen, { rootMargin: "-80px 0px -75% 0px" });
    document.querySelectorAll("main > section").forEach((section) => observer.observe(section));
  }

  // A link to a figure opens the section that holds it.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target?.closest("details.fold") ?? target?.querySelector("details.fold");
    if (!fold || fold.open) return;
    fold.open = true;
    target.scrollIntoView();
  }

  begin().then(() => {
    const exhibits = [...document.querySelectorAll("figure.exhibit")].map((element) => new Exhibit(element));
    const redraw = () => exhibits.filter((exhibit) => exhibit.figure).forEach((exhibit) => exhibit.redraw());
    const printed = (isPrinted) => {
      Object.assign(page, { isPrinted });
      if (isPrinted) document.querySelectorAll("details.fold").forEach((fold) => (fold.open = true));
      if (night.matches) redraw();
    };
    night.addEventListener("change", redraw);
    addEventListener("beforeprint", () => printed(true));
    addEventListener("afterprint", () => printed(false));
    addEventListener("hashchange", reveal);
    follow();
    reveal();
    return drawAll(exhibits);
  });
})();
