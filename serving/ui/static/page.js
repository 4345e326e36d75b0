// What the page needs before Gradio: language, light or dark, the texts outside of Gradio, and where the server is.
(() => {
  const page = window.page;
  const stored = (name, allowed) => {
    try { const value = localStorage.getItem(name); return allowed.includes(value) ? value : null; } catch { return null; }
  };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private browsing */ } };

  const languages = Object.keys(page.texts);
  const browser = (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2));
  page.language = stored("ui-language", languages) ?? browser.find((tag) => languages.includes(tag)) ?? "en";
  document.documentElement.lang = page.language;
  // Gradio asks the browser and offers no other way; whoever chose a language here means the whole page.
  Object.defineProperty(navigator, "language", { get: () => page.language });
  Object.defineProperty(navigator, "languages", { get: () => [page.language] });

  page.text = (key, ...values) => values.reduce((text, value) => text.replace("{}", value), page.texts[page.language][key]);
  page.label = (root) => {
    for (const each of root.querySelectorAll("[data-text]")) each.textContent = page.text(each.dataset.text);
    for (const each of root.querySelectorAll("[data-label]")) each.setAttribute("aria-label", page.text(each.dataset.label));
    document.title = page.text("title");
  };

  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (stored("ui-theme", ["light", "dark"]) ?? (system.matches ? "dark" : "light")) === "dark";
  page.paint = () => {
    document.documentElement.style.colorScheme = dark() ? "dark" : "light";
    if (document.body.classList.contains("dark") !== dark()) document.body.classList.toggle("dark", dark());
  };

  // Gradio's configuration names the address its worker was called by; this is the one the browser sees, prefix included.
  page.begin = () => { window.gradio_config.root = new URL(".", location.href).href.replace(/\/$/, ""); };
  page.fail = () => { document.querySelector("#wait").textContent = page.text("failed"); };

  document.addEventListener("DOMContentLoaded", () => {
    const language = document.querySelector("#language");
    language.value = page.language;
    if (page.language === "id") document.querySelector("#readme").href = "../README.id.md";
    language.addEventListener("change", () => { store("ui-language", language.value); location.reload(); });
    document.querySelector("#theme").addEventListener("click", () => { store("ui-theme", dark() ? "light" : "dark"); page.paint(); });
  });
  // "Was this right?": the buttons come with each answer.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".truth button");
    if (!button) return;
    const question = button.parentElement;
    const body = JSON.stringify({ prediction_id: question.dataset.id, actual: button.value });
    const response = await fetch("./feedback", { method: "POST", body, headers: { "Content-Type": "application/json" } }).catch(() => null);
    const failed = response?.ok ? null : (await response?.json().catch(() => null))?.error ?? page.text("no_answer", response?.status ?? "");
    question.querySelector("[role=status]").textContent = failed ?? page.text("truth_thanks", button.value);
    if (failed === null) for (const each of question.querySelectorAll("button")) each.setAttribute("aria-pressed", each === button);
  });

  // The live tab looks again by itself, gently: only where somebody sees it and has not said no.
  setInterval(() => {
    const button = document.querySelector("#refresh");
    if (!document.hidden && button?.checkVisibility() && document.querySelector("#auto input").checked) button.click();
  }, 10_000);

  document.addEventListener("readystatechange", () => {
    if (document.readyState !== "interactive") return;
    // Gradio follows the system when it starts.
    new MutationObserver(page.paint).observe(document.body, { attributeFilter: ["class"] });
    system.addEventListener("change", page.paint);
  });
  const ready = new MutationObserver(() => {
    if (!document.querySelector("gradio-app [role=tablist]")) return;
    document.querySelector("#wait").remove();
    ready.disconnect();
  });
  ready.observe(document, { childList: true, subtree: true });
})();
