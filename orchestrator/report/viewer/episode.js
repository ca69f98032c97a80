// One episode: a strip of its segments, values and advantages along the turns, and every turn.

const LEVELS = { high: "subgoal", switch: "decision", low: "action" };
const levelColour = (level) => `var(--${level})`;
const SEGMENT_COLOURS = 6;

/** The elements of an episode and its turns, as `RunData.turns` returns them. */
function episodeView(episode, content) {
  if (!content?.turns) {
    return [heading(episode, null), element("p.notes", null, content?.aside ?? "This episode cannot be decoded.")];
  }
  const segments = segmentsOf(content.turns);
  const turns = content.turns.map((turn, index) => turnView(turn, index, segments[index]));
  const go = (index) => turns[index].scrollIntoView({ block: "center", behavior: "smooth" });
  return [
    heading(episode, content),
    strip(content.turns, segments, go),
    credits(content.turns, go),
    element("ol.turns", { start: 0 }, withSubgoals(content.turns, segments, turns)),
    element("p.observation", null, element("b", null, "at the end: "), content.final),
  ];
}

/** The number of each turn's segment. */
function segmentsOf(turns) {
  let segment = -1;
  return turns.map((turn) => (segment += turn.starts ? 1 : 0));
}

const segmentClass = (segment) => `segment-${segment % SEGMENT_COLOURS}`;

function heading(episode, content) {
  const facts = [episode.environment, episode.type, episode.task];
  if (content) {
    facts.push(counted(episode.turns, "turn"), `score ${episode.score}`, `${content.seconds} s`,
      `adapters ${versions(episode)}`, `attempt ${content.attempt}`, `group ${content.group}`);
  }
  const use = {
    "trained on": "an update has used it",
    "not used": "no update has used it yet, so it has no advantages",
    "set aside": content ? `no update can use it: ${content.aside}` : "",
  }[episode.use];
  return element("header", null,
    element("h2", null, `${episode.number} `, outcome(episode.ending), ` ${episode.goal}`),
    element("p.dim", null, [...facts, use].filter(Boolean).join(" \u00b7 ")));
}

/** A bar with a cell for each turn, in the colour of its segment. */
function strip(turns, segments, go) {
  const cells = turns.map((turn, index) =>
    element(`button.${segmentClass(segments[index])}${turn.starts ? ".starts" : ""}`, {
      "data-tip": `turn ${index}: ${turn.subgoal} \u2192 ${turn.action}`,
      "aria-label": `turn ${index}`,
      click: () => go(index),
    }, turn.reward ? "\u2605" : ""));
  return element("div.strip", null, cells);
}

/** Charts of the values and of the advantages of each level. */
function credits(turns, go) {
  const marks = turns.flatMap((turn, index) => (turn.starts && index ? [index] : []));
  const linesOf = (kind, letter) =>
    Object.keys(LEVELS).map((level) => ({
      name: `${letter}_${level}`,
      colour: levelColour(level),
      points: turns.flatMap((turn, index) => (turn[kind]?.[level] === undefined ? [] : [[index, turn[kind][level]]])),
    })).filter((line) => line.points.length);
  const charts = [["values", "V"], ["advantages", "A"]].map(([kind, letter]) =>
    lineChart({ title: kind, lines: linesOf(kind, letter), marks, label: "turn", onpick: go }));
  return element("div.charts", null, charts);
}

/** The turns, with a line before each segment that names its subgoal. */
function withSubgoals(turns, segments, views) {
  return turns.flatMap((turn, index) => {
    if (!turn.starts) return [views[index]];
    const name = element(`li.subgoal.${segmentClass(segments[index])}`, null,
      element("span", null, turn.subgoal || "(no subgoal)"), credit(turn, "high"));
    return [name, views[index]];
  });
}

function turnView(turn, index, segment) {
  return element(`li.turn.${segmentClass(segment)}`, { value: index },
    element("p.observation", null, element("span.number", null, `${index}`), turn.observation),
    answerView("planner", turn.starts ? "switch" : "keep", turn.planned, turn.plan, credit(turn, "switch")),
    answerView("executor", turn.action, turn.acted, turn.act, credit(turn, "low")),
    turn.reward ? element("p.reward", null, `\u2605 reward ${turn.reward}`) : null);
}

function answerView(role, text, valid, answer, given) {
  const marks = [valid ? null : element("span.bad", null, "invalid"),
    answer.cut ? element("span.bad", null, "cut off at the token limit") : null];
  const version = element("span.dim", { "data-tip": `adapter version ${answer.version}, epoch ${answer.epoch}` },
    `@${answer.version}`);
  return element("div.answer", null,
    element("span.dim.role", null, role),
    element("div", null, element("div", null, element("b", null, text), " ", version, ...marks), tokensView(answer)),
    given);
}

/** The sampled tokens: darker where less likely, underlined in the colour of the level that learns from them. */
function tokensView({ tokens, logprobs, spans }) {
  const levelOf = { decision: "switch", subgoal: "high", action: "low" };
  return element("div.tokens", null, tokens.map((token, place) => {
    const logprob = logprobs[place];
    const span = Object.keys(spans).find((name) => spans[name][0] <= place && place < spans[name][1]);
    const known = typeof logprob === "number";
    const tip = known ? `log p ${logprob.toFixed(3)}, p ${percent(Math.exp(logprob))}` : "no log-probability";
    const shown = element("span", { "data-tip": `${JSON.stringify(token)}: ${tip}${span ? `, ${span}` : ""}` },
      token.replaceAll("\n", "\u21b5"));
    if (known) shown.style.setProperty("--doubt", Math.min(1, -logprob / 4).toFixed(2));
    if (span) shown.style.setProperty("--learns", levelColour(levelOf[span]));
    return shown;
  }));
}

/** The advantage of a level at a turn, and the value that it was computed from. */
function credit(turn, level) {
  const advantage = turn.advantages?.[level];
  if (advantage === undefined) return null;
  const value = turn.values?.[level];
  const shown = element("span.credit", { "data-tip": `advantage of the ${LEVELS[level]}, ${value === undefined
    ? "computed without a value" : "and the value before it"}` },
    value === undefined ? "" : element("span.dim", null, `V ${value.toFixed(2)}  `), `A ${signed(advantage)}`);
  shown.style.setProperty("--learns", levelColour(level));
  return shown;
}
