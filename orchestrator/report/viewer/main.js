// Puts the page together: tabs, the runs that are shown, links to episodes, and polling while a run goes on.

const POLL_SECONDS = 3;
const TABS = { overview: "Overview", episodes: "Episodes", types: "Task types" };

class Viewer {
  constructor(folder, other) {
    this.runs = [new RunData("a", scriptReader(folder))];
    if (other) this.runs.push(new RunData("b", scriptReader(other)));
    this.failures = new Map();
    this.list = new EpisodeList((episode) => this.#link(episode));
    this.panes = { a: element("article", { tabindex: 0 }), b: element("article", { tabindex: 0 }) };
    this.open = {};
    this.share = choice("share of the episodes", [["1", "all episodes"], ["0.5", "last half"],
      ["0.1", "last tenth"]], () => this.#drawTypes());
    this.types = element("div");
    this.#build();
  }

  #build() {
    const links = Object.entries(TABS).map(([tab, text]) => element("a", { href: `#${tab}` }, text));
    this.state = element("span.dim.state");
    document.querySelector("nav").append(...links, this.state, this.#chooser());
    this.notes = element("ul.notes");
    this.tabs = {
      overview: document.getElementById("overview"),
      episodes: element("div.split", null, this.list.element, this.panes.a, this.panes.b),
      types: element("div.types", null, this.share, this.types),
    };
    document.getElementById("viewer").replaceChildren(this.notes, this.tabs.episodes, this.tabs.types);
    this.panes.a.append(element("p.dim", null, "Choose an episode. The arrow keys go to the next one."));
    this.panes.b.hidden = true;
    showTips(document.body);
    window.addEventListener("hashchange", () => this.#route());
  }

  /** A button with which somebody chooses the report folder of a run to compare with. */
  #chooser() {
    const input = element("input", {
      type: "file",
      webkitdirectory: "",
      change: () => input.files.length && this.compare(chosenReader(input.files)),
    });
    return element("label.button", {
      "data-tip": "choose the folder \u201creport\u201d in the folder of another run",
    }, "Compare with \u2026", input);
  }

  async compare(read) {
    this.runs = [this.runs[0], new RunData("b", read)];
    await this.refresh();
    location.hash = "types";
  }

  async refresh() {
    const changed = await Promise.all(this.runs.map((run) => this.#refreshOne(run)));
    this.#drawNotes();
    this.#drawState();
    if (!changed.some(Boolean)) return;
    this.list.show(this.runs.filter((run) => run.head));
    this.#drawTypes();
    await this.#route();
  }

  async #refreshOne(run) {
    try {
      const changed = await run.refresh();
      this.failures.delete(run.letter);
      return changed;
    } catch (error) {
      this.failures.set(run.letter, `The episodes of run ${run.letter.toUpperCase()} are missing: ${error.message}.`);
      return false;
    }
  }

  /** What the page shows, and of when it is. */
  #drawState() {
    const { head } = this.runs[0];
    if (!head) return;
    const facts = [counted(head.episodes, "episode"), `${head.trained.toLocaleString("en")} trained on`,
      `as of ${new Date(head.made).toLocaleString()}`, head.running ? "in progress" : ""];
    this.state.textContent = facts.filter(Boolean).join(" \u00b7 ");
  }

  #drawNotes() {
    const notes = [...this.failures.values(), ...this.runs.flatMap((run) => run.notes)];
    this.notes.replaceChildren(...notes.map((note) => element("li", null, note)));
    this.notes.hidden = notes.length === 0;
  }

  #drawTypes() {
    const runs = this.runs.filter((run) => run.episodes.length);
    const none = element("p.dim", null, "There are no episodes yet.");
    this.types.replaceChildren(...(runs.length ? taskTypesView(runs, Number(this.share.value)) : [none])
      .filter(Boolean));
  }

  /** #overview, #types, #episodes, and #episodes/a12/b7 with the open ones. */
  #link(episode) {
    const open = { ...this.open, [episode.run.letter]: episode };
    const parts = Object.values(open).map(({ key }) => key).sort();
    location.hash = ["episodes", ...parts].join("/");
  }

  async #route() {
    const [name, ...parts] = location.hash.slice(1).split("/");
    const tab = Object.hasOwn(TABS, name) ? name : "overview";
    for (const [key, shown] of Object.entries(this.tabs)) shown.hidden = key !== tab;
    for (const link of document.querySelectorAll("nav a")) {
      link.toggleAttribute("aria-current", link.getAttribute("href") === `#${tab}`);
    }
    document.body.dataset.tab = tab;
    if (tab !== "episodes") return;
    this.list.list.paint();
    this.open = {};
    for (const part of parts) {
      const run = this.runs.find(({ letter }) => letter === part[0]);
      const episode = run?.find(Number(part.slice(1)));
      if (episode) this.open[run.letter] = episode;
    }
    this.list.mark(Object.values(this.open));
    await Promise.all(Object.values(this.open).map((episode) => this.#show(episode)));
    this.panes.b.hidden = !this.open.b;
  }

  async #show(episode) {
    const pane = this.panes[episode.run.letter];
    const shown = `${episode.key} ${episode.stamp}`;
    const before = pane.dataset.shown;
    if (before === shown) return;
    pane.dataset.shown = shown;
    let content;
    try {
      content = episodeView(episode, await episode.run.turns(episode));
    } catch (error) {
      content = [heading(episode, null), element("p.notes", null, `Its turns are missing: ${error.message}.`)];
    }
    if (pane.dataset.shown !== shown) return; // Another episode was chosen while this one was loading.
    const name = this.runs.length > 1 ? [element(`p.run.run-${episode.run.letter}`, null, runName(episode.run, true))] : [];
    pane.replaceChildren(...name, ...this.#sameTask(episode), ...content.filter(Boolean));
    if (before?.split(" ")[0] !== episode.key) pane.scrollTop = 0;
  }

  /** Links to the other run's episodes of the same task. */
  #sameTask(episode) {
    const others = this.runs.filter((run) => run !== episode.run).flatMap((run) => run.episodes)
      .filter(({ task }) => task === episode.task);
    if (!others.length) return [];
    const links = others.slice(-8).map((other) =>
      element("button.link", { click: () => this.#link(other) }, `${other.number} (${other.ending})`));
    return [element("p.same.dim", null, "same task in the other run: ", links)];
  }

  /** While a server serves the page: looks for new episodes, and for new figures after an update. */
  async poll() {
    const updates = this.runs[0].head?.updates;
    await this.refresh();
    if (this.runs[0].head?.updates !== updates) await this.#redrawOverview();
  }

  async #redrawOverview() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.tabs.overview.replaceChildren(...page.getElementById("overview").childNodes);
  }
}

async function begin() {
  const { report, other } = document.body.dataset;
  const viewer = new Viewer(report, other);
  await viewer.refresh();
  performance.mark("ready");
  document.body.dataset.ready = "true";
  if (location.protocol === "file:") return;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_SECONDS * 1000));
    if (!document.hidden) await viewer.poll().catch((error) => console.warn(error.message));
  }
}

begin();
