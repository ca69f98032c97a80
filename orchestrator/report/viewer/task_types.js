// Results by task type, of one run or of two side by side, and success along the episodes.

const RUN_COLOURS = { a: "var(--run-a)", b: "var(--run-b)" };

function taskTypesView(runs, share) {
  const parts = runs.map((run) => latest(run.episodes.filter(isPlayed), share));
  const types = [...new Set(parts.flat().map((episode) => episode.type))].sort();
  const rows = ["", ...types].map((type) => {
    const found = parts.map((part) => resultsOf(part.filter((episode) => type === "" || episode.type === type)));
    return element(type === "" ? "tr.all" : "tr", null, element("th", null, type || "all"),
      found.flatMap(cells), runs.length > 1 ? difference(found) : null);
  });
  const measures = ["episodes", "success [95 % Wilson]", "score", "turns", "subgoals"];
  const twice = runs.length > 1;
  const names = runs.map((run) => element("th", { colspan: measures.length }, runName(run, twice)));
  return [
    twice ? element("p", null, "Run B minus run A is marked where the 95 % intervals do not overlap.") : null,
    element("div.wide", null, element("table.numbers", null,
      element("tr", null, element("th"), names, twice ? element("th") : null),
      element("tr", null, element("th", null, "task type"),
        runs.flatMap(() => measures.map((name) => element("th", null, name))),
        twice ? element("th", null, "B \u2212 A") : null),
      rows)),
    lineChart({
      title: "success, mean over a twentieth of the run",
      lines: runs.map((run) => ({
        name: runName(run, twice),
        colour: RUN_COLOURS[run.letter],
        points: movingSuccess(run.episodes.filter(isPlayed)),
      })),
      height: 200, width: 900, label: "episode", format: percent,
    }),
  ];
}

function runName(run, twice) {
  return (twice ? `${run.letter.toUpperCase()}: ` : "") + run.head.name;
}

/** The last share of the episodes, in the order of their numbers. */
function latest(episodes, share) {
  return episodes.slice(Math.floor(episodes.length * (1 - share)));
}

function resultsOf(episodes) {
  const count = episodes.length;
  const mean = (value) => episodes.reduce((sum, episode) => sum + value(episode), 0) / count;
  const success = mean((episode) => Number(episode.ending === "won"));
  return {
    count,
    success,
    interval: wilson(success, count),
    score: mean((episode) => episode.score),
    turns: mean((episode) => episode.turns),
    subgoals: mean((episode) => episode.subgoals.length),
  };
}

/** The 95 % Wilson interval of a share, as in core/intervals.py. */
function wilson(rate, count) {
  const z = 1.959963984540054;
  const scale = 1 + (z * z) / count;
  const centre = (rate + (z * z) / (2 * count)) / scale;
  const half = (z * Math.sqrt((rate * (1 - rate)) / count + (z * z) / (4 * count * count))) / scale;
  return [centre - half, centre + half];
}

function cells({ count, success, interval, score, turns, subgoals }) {
  const texts = count
    ? [count.toLocaleString("en"), `${percent(success)} [${interval.map((each) => (100 * each).toFixed(1)).join(", ")}]`,
      score.toFixed(3), turns.toFixed(1), subgoals.toFixed(1)]
    : ["0", "", "", "", ""];
  return texts.map((text) => element("td", null, text));
}

function difference([a, b]) {
  if (!a.count || !b.count) return element("td");
  const apart = a.interval[1] < b.interval[0] || b.interval[1] < a.interval[0];
  const points = 100 * (b.success - a.success);
  return element(apart ? "td.apart" : "td", null, `${points >= 0 ? "+" : "\u2212"}${Math.abs(points).toFixed(1)}`);
}

/** Mean success of a window that moves over the episodes, at about 60 places. */
function movingSuccess(episodes) {
  const window = Math.max(10, Math.ceil(episodes.length / 20));
  if (episodes.length < window) return [];
  const step = Math.max(1, Math.floor(episodes.length / 60));
  const points = [];
  for (let end = window; end <= episodes.length; end += step) {
    const within = episodes.slice(end - window, end);
    points.push([within[window - 1].number, within.filter(({ ending }) => ending === "won").length / window]);
  }
  return points;
}
