// The list of episodes: search, filters, order, and a scrolled list that only draws the rows in sight.

const ROW_HEIGHT = 52;
const SPARE_ROWS = 6;

const ORDERS = {
  newest: ["newest first", (a, b) => b.number - a.number],
  oldest: ["oldest first", (a, b) => a.number - b.number],
  longest: ["most turns", (a, b) => b.turns - a.turns || b.number - a.number],
  best: ["highest score", (a, b) => b.score - a.score || b.number - a.number],
  worst: ["lowest score", (a, b) => a.score - b.score || b.number - a.number],
};

/** A list of any length in which only the visible rows are elements. */
class VirtualList {
  constructor(draw) {
    this.draw = draw;
    this.items = [];
    this.rows = element("div.rows");
    this.element = element("div.list", { tabindex: 0, role: "listbox", "aria-label": "episodes" }, this.rows);
    this.element.addEventListener("scroll", () => this.paint(), { passive: true });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  /** Shows these items: from the top, or where the list was, if `stay`; there, new items do not move the others. */
  show(items, stay) {
    const { scrollTop } = this.element;
    const first = Math.floor(scrollTop / ROW_HEIGHT);
    const key = this.items[first]?.key;
    this.items = items;
    this.rows.style.height = `${items.length * ROW_HEIGHT}px`;
    const now = stay && scrollTop > 0 ? items.findIndex((item) => item.key === key) : -1;
    if (!stay) this.element.scrollTop = 0;
    else if (now >= 0) this.element.scrollTop = scrollTop + (now - first) * ROW_HEIGHT;
    this.paint();
  }

  paint() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + SPARE_ROWS;
    const drawn = this.items.slice(first, last).map((item, place) => {
      const row = this.draw(item);
      row.style.top = `${(first + place) * ROW_HEIGHT}px`;
      return row;
    });
    this.rows.replaceChildren(...drawn);
  }

  /** Scrolls as little as shows this item. */
  reveal(item) {
    const top = this.items.indexOf(item) * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.element;
    if (top < 0) return;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) this.element.scrollTop = top + ROW_HEIGHT - clientHeight;
  }
}

/** The episodes of all runs, filtered. `open` is called with the one that somebody chooses. */
class EpisodeList {
  constructor(open) {
    this.open = open;
    this.runs = [];
    this.chosen = new Set();
    const again = () => this.filter(false);
    this.search = element("input", {
      type: "search",
      placeholder: "search number, task, goal, subgoal",
      "aria-label": "search",
      input: again,
    });
    this.type = choice("task type", [["", "all task types"]], again);
    this.environment = choice("environment", [["", "all environments"]], again);
    this.ending = choice("outcome", [["", "all outcomes"]], again);
    this.use = choice("use", [["", "all uses"]], again);
    this.run = choice("run", [["", "both runs"], ["a", "run A"], ["b", "run B"]], again);
    this.order = choice("order", Object.entries(ORDERS).map(([key, [text]]) => [key, text]), again);
    this.count = element("p.dim", { "aria-live": "polite" });
    this.list = new VirtualList((episode) => this.#row(episode));
    this.list.element.addEventListener("keydown", (event) => this.#key(event));
    const selects = element("div.selects", null, this.environment, this.type, this.ending, this.use, this.run,
      this.order);
    this.element = element("aside", null, this.search, selects, this.count, this.list.element);
  }

  /** Shows these runs, and keeps what was searched and chosen. */
  show(runs) {
    this.runs = runs;
    this.run.hidden = runs.length < 2;
    const all = runs.flatMap((run) => run.episodes);
    offer(this.environment, "all environments", all.filter(isPlayed).map((episode) => episode.environment));
    this.environment.hidden = this.environment.options.length < 3;
    offer(this.type, "all task types", all.filter(isPlayed).map((episode) => episode.type));
    offer(this.ending, "all outcomes", all.map((episode) => episode.ending));
    offer(this.use, "all uses", all.map((episode) => episode.use));
    this.filter(true);
  }

  filter(stay) {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = ["environment", "type", "ending", "use"].map((key) => [key, this[key].value]);
    const fits = (episode) =>
      wanted.every(([key, value]) => value === "" || episode[key] === value) &&
      (this.run.value === "" || episode.run.letter === this.run.value) &&
      words.every((word) => (word[0] === "#" ? `#${episode.number}` === word : episode.text.includes(word)));
    const all = this.runs.flatMap((run) => run.episodes);
    const shown = all.filter(fits).sort(ORDERS[this.order.value][1]);
    const played = shown.filter(isPlayed);
    const won = played.filter((episode) => episode.ending === "won").length;
    const share = played.length ? `, ${percent(won / played.length)} won` : "";
    this.count.textContent = `${counted(shown.length, "episode")} of ${all.length.toLocaleString("en")}${share}`;
    this.list.show(shown, stay);
  }

  /** Marks these episodes as open. */
  mark(episodes) {
    const before = this.chosen;
    this.chosen = new Set(episodes.map(({ key }) => key));
    // Not again at each refresh: somebody may have scrolled on.
    const added = this.list.items.find(({ key }) => this.chosen.has(key) && !before.has(key));
    if (added) this.list.reveal(added);
    this.list.paint();
  }

  #row(episode) {
    const chosen = this.chosen.has(episode.key);
    const run = this.runs.length > 1 ? element(`span.run.run-${episode.run.letter}`, null, episode.run.letter) : "";
    return element(
      `div.row${chosen ? ".chosen" : ""}`,
      { role: "option", "aria-selected": chosen, click: () => this.open(episode) },
      element("div.first", null, run, element("b", null, `${episode.number}`), outcome(episode.ending),
        element("span.goal", null, episode.goal || episode.task)),
      element("div.second.dim", null, rowFacts(episode)),
    );
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (!step || !this.list.items.length) return;
    event.preventDefault();
    const place = this.list.items.findIndex(({ key }) => this.chosen.has(key));
    const next = place < 0 ? 0 : Math.min(Math.max(place + step, 0), this.list.items.length - 1);
    this.open(this.list.items[next]);
  }
}

/** Whether there is an episode that can be read: not where its environment broke, for example. */
const isPlayed = ({ turns }) => turns > 0;

function rowFacts(episode) {
  if (!isPlayed(episode)) return "no turns";
  const facts = [counted(episode.turns, "turn"), versions(episode), counted(episode.subgoals.length, "subgoal")];
  if (episode.score !== 0 && episode.score !== 1) facts.push(`score ${episode.score}`);
  if (episode.invalid) facts.push(`${episode.invalid} invalid`);
  if (episode.use === "set aside") facts.push("set aside");
  return [...facts, episode.type].join(" \u00b7 ");
}

function versions({ oldest, newest }) {
  return oldest === newest ? `@${oldest}` : `@${oldest}\u2013${newest}`;
}

function outcome(ending) {
  return element(`span.outcome.${ending.replaceAll(" ", "-")}`, null, ending);
}

/** Offers the values that occur, and keeps the one that is chosen. */
function offer(select, all, values) {
  const chosen = select.value;
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const options = [...counts].sort().map(([value, count]) => element("option", { value }, `${value} (${count})`));
  select.replaceChildren(element("option", { value: "" }, all), ...options);
  select.value = counts.has(chosen) ? chosen : "";
}
