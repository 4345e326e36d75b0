// <many-rows>: a CSV file goes to the server piece by piece; progress, table, plot and downloads are made here.
(() => {
  const { page } = window;
  const t = page.text;
  const PER_PAGE = 20;
  const MOST_REASONS = 200;
  const number = (value) => value.toLocaleString(page.language);
  const make = (tag, properties = {}, ...children) => {
    const { data, ...others } = properties;
    const element = Object.assign(document.createElement(tag), others);
    for (const [name, value] of Object.entries(data ?? {})) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const csv = (lines) => lines.map((cells) => cells.map((cell) => {
    const text = String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",")).join("\n") + "\n";

  class ManyRows extends HTMLElement {
    connectedCallback() {
      if (this.firstChild) return;
      this.file = make("input", { type: "file", accept: ".csv,text/csv", id: "rows-file" });
      const drop = make("label", { htmlFor: "rows-file", className: "drop" }, this.file,
        make("strong", { textContent: t("rows_choose") }), make("span", { textContent: t("rows_drop", page.mostMegabytes) }));
      this.progress = make("progress", { max: 1, value: 0, data: { "aria-label": t("rows_working") } });
      this.status = make("p", { className: "status", data: { role: "status" } });
      this.stop = make("button", { type: "button", className: "plain", textContent: t("rows_cancel") });
      this.running = make("div", { className: "running", hidden: true }, this.status, this.progress, this.stop);
      this.error = make("div", { className: "notice bad", hidden: true, data: { role: "alert" } });
      this.result = make("div", { className: "result" });
      this.append(make("div", { className: "card" },
        make("p", { textContent: t("rows_intro") }),
        make("p", { className: "columns" }, ...page.features.map((name) => make("code", { textContent: name }))),
        drop,
        make("a", { href: "./example.csv", download: "example.csv", textContent: t("rows_example") }),
        this.running, this.error), this.result);
      this.file.addEventListener("change", () => { if (this.file.files[0]) this.take(this.file.files[0]); this.file.value = ""; });
      this.stop.addEventListener("click", () => this.abort?.abort());
      for (const kind of ["dragover", "dragleave", "drop"]) drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
      });
    }

    async take(file) {
      this.abort?.abort();
      const { signal } = this.abort = new AbortController();
      for (const url of this.urls ?? []) URL.revokeObjectURL(url);
      this.urls = [];
      this.result.replaceChildren();
      this.error.hidden = true;
      this.running.hidden = true;
      const found = { columns: [], rows: [], rejected: [] };
      try {
        const megabytes = file.size / 1e6;
        if (megabytes > page.mostMegabytes) throw new Error(t("rows_too_large", file.name, megabytes.toFixed(1), page.mostMegabytes));
        const [header, ...lines] = (await file.text()).split(/\r\n|\n|\r/);
        while (lines.length && !lines.at(-1).trim()) lines.pop();
        if (!lines.length) throw new Error(t("rows_empty", file.name));
        this.show(0, lines.length, "rows_working");
        for (const [first, last] of pieces(header, lines)) {
          const answer = await ask([header, ...lines.slice(first, last)].join("\n"), first + 2, signal);
          found.columns = answer.columns;
          for (const row of answer.rows) found.rows.push(row);
          for (const line of answer.rejected) found.rejected.push(line);
          if (signal.aborted) return;
          this.show(last, lines.length, last < lines.length ? "rows_working" : "rows_done");
        }
      } catch (error) {
        if (this.abort.signal !== signal) return;
        if (signal.aborted) this.status.textContent = t("rows_stopped");
        else { this.error.textContent = error.message; this.error.hidden = false; }
        this.stop.hidden = true;
        if (!found.rows.length && !found.rejected.length) return;
      }
      this.report(found, file.name.replace(/\.csv$/i, ""));
    }

    show(done, all, key) {
      this.running.hidden = false;
      this.stop.hidden = done === all;
      this.progress.max = all;
      this.progress.value = done;
      this.status.textContent = `${t(key)}: ${t("rows_progress", number(done), number(all))}`;
    }

    report({ columns, rows, rejected }, name) {
      const outlier = columns.indexOf("outlier");
      const unlike = rows.filter((row) => row[outlier]).length;
      const tile = (value, key) => make("div", {}, make("dt", { textContent: t(key) }), make("dd", { textContent: number(value) }));
      const download = (key, lines, suffix) => {
        const url = URL.createObjectURL(new Blob([csv(lines)], { type: "text/csv" }));
        this.urls.push(url);
        return make("a", { className: "button", href: url, download: `${name}-${suffix}.csv`, textContent: t(key) });
      };
      const card = make("div", { className: "card" },
        make("dl", { className: "tiles" }, tile(rows.length, "rows_predicted"), tile(rejected.length, "rows_rejected"), tile(unlike, "rows_unlike")),
        make("p", { className: "actions" },
          rows.length ? download("rows_download", [columns, ...rows], "predictions") : null,
          rejected.length ? download("rows_download_rejected", [["line", "reason"], ...rejected], "rejected") : null));
      this.result.append(card);
      if (rejected.length) card.append(rejectedTable(rejected));
      if (rows.length) card.append(histogram(columns, rows), predictionTable(columns, rows));
    }
  }

  // The first and the end of each piece, in lines; none is larger than a request may be, if a line is not.
  function* pieces(header, lines) {
    const room = page.pieceBytes - new Blob([header]).size;
    let first = 0, size = 0;
    for (let i = 0; i < lines.length; i++) {
      // At most three bytes for each unit of UTF-16: nearly every file is ASCII, so this is cheap and safe.
      const bytes = 1 + (/^[\x00-\x7f]*$/.test(lines[i]) ? lines[i].length : 3 * lines[i].length);
      if (i > first && size + bytes > room) { yield [first, i]; first = i; size = 0; }
      size += bytes;
    }
    yield [first, lines.length];
  }

  async function ask(text, first, signal) {
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(`./rows?first=${first}&language=${page.language}`,
        { method: "POST", body: text, headers: { "Content-Type": "text/csv" }, signal });
      if (response.ok) return response.json();
      const busy = response.status === 429 || response.status === 503;
      if (!busy || attempt === 5) throw new Error((await response.json().catch(() => null))?.error ?? t("no_answer", response.status));
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("Retry-After") ?? 1)));
    }
  }

  function histogram(columns, rows) {
    const label = columns.indexOf("label"), last = page.classes.at(-1), probability = columns.indexOf(last);
    const bins = Array.from({ length: 10 }, () => page.classes.map(() => 0));
    for (const row of rows) bins[Math.min(9, Math.floor(row[probability] * 10))][page.classes.indexOf(row[label])]++;
    const top = Math.max(...bins.map((bin) => bin.reduce((a, b) => a + b)));
    const bars = bins.map((bin, i) => {
      const title = `${i / 10}–${(i + 1) / 10}: ${bin.map((n, k) => `${page.classes[k]} ${number(n)}`).join(", ")}`;
      return make("div", { className: "bin", title }, make("div", { className: "count", textContent: number(bin.reduce((a, b) => a + b)) }),
        ...bin.map((n, k) => make("i", { style: `height:${100 * n / top}%;background:var(--class-${k})` })));
    });
    const title = t("rows_summary", last);
    const ticks = make("div", { className: "ticks" }, ...[0, 0.5, 1].map((at) => make("span", { textContent: at })));
    return make("figure", {}, make("figcaption", { textContent: title }),
      make("ul", { className: "legend" }, ...page.classes.map((name, k) => make("li", {}, make("i", { style: `background:var(--class-${k})` }), name))),
      make("p", { className: "axis above", textContent: t("rows_summary_y") }),
      make("div", { className: "histogram", data: { role: "img", "aria-label": `${title}. ${bars.map((bar) => bar.title).join("; ")}` } }, ...bars),
      ticks, make("p", { className: "axis", textContent: t("rows_summary_x", last) }));
  }

  function table(title, head, lines) {
    const row = (cells, kind) => make("tr", {}, ...cells.map((cell) => make(kind, { textContent: cell })));
    return make("div", { className: "scroll", tabIndex: 0, data: { role: "region", "aria-label": title } },
      make("table", { className: "data" }, make("thead", {}, row(head, "th")), make("tbody", {}, ...lines.map((line) => row(line, "td")))));
  }

  function rejectedTable(rejected) {
    const title = t("rows_rejected_table"), shown = rejected.slice(0, MOST_REASONS);
    return make("figure", { className: "rejected" }, make("figcaption", { textContent: title }),
      table(title, [t("rows_line"), t("rows_reason")], shown),
      shown.length < rejected.length ? make("p", { className: "hint", textContent: t("rows_first", shown.length, number(rejected.length)) }) : null);
  }

  function predictionTable(columns, rows) {
    const title = t("rows_table"), hidden = ["prediction_id", "model", ...page.classes];
    const kept = columns.map((name, i) => [name, i]).filter(([name]) => !hidden.includes(name));
    // What was asked for comes first, then what it was predicted from.
    const order = ["line", "label", "probability", "outlier"];
    kept.sort(([a], [b]) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99));
    const shown = (value) => typeof value === "boolean" ? t(value ? "yes" : "no") : Number.isInteger(value) || typeof value === "string" ? value : +value.toFixed(4);
    const head = kept.map(([name]) => name === "line" ? t("rows_line") : name);
    const body = make("div"), place = make("span", { className: "hint", data: { role: "status" } });
    const back = make("button", { type: "button", className: "plain", textContent: t("rows_back") });
    const next = make("button", { type: "button", className: "plain", textContent: t("rows_next") });
    let first = 0;
    const turn = (by) => {
      first += by;
      const last = Math.min(first + PER_PAGE, rows.length);
      body.replaceChildren(table(title, head, rows.slice(first, last).map((row) => kept.map(([, i]) => shown(row[i])))));
      place.textContent = t("rows_page", number(first + 1), number(last), number(rows.length));
      back.disabled = first === 0;
      next.disabled = last === rows.length;
    };
    back.addEventListener("click", () => turn(-PER_PAGE));
    next.addEventListener("click", () => turn(PER_PAGE));
    turn(0);
    return make("figure", {}, make("figcaption", { textContent: title }), body, make("p", { className: "pager" }, back, next, place));
  }

  customElements.define("many-rows", ManyRows);
})();
