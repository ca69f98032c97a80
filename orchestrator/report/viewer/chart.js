// A small line chart.

/**
 * Lines over a common horizontal axis.
 * lines: [{name, colour, points: [[x, y], ...]}]; marks: x of the vertical lines; onpick(x) is called on a click.
 */
function lineChart({ title, lines, marks = [], width = 640, height = 130, label = "", format = signed, onpick }) {
  const points = lines.flatMap((line) => line.points);
  if (!points.length) return null;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [46, width - 10, 8, height - 20];
  const [xLow, xHigh] = [Math.min(...xs, ...marks), Math.max(...xs, ...marks)];
  const [yLow, yHigh] = [Math.min(0, ...ys), Math.max(0, ...ys)];
  const across = (x) => left + ((x - xLow) / (xHigh - xLow || 1)) * (right - left);
  const up = (y) => bottom - ((y - yLow) / (yHigh - yLow || 1)) * (bottom - top);
  const grid = [yLow, 0, yHigh].filter((y, place, all) => all.indexOf(y) === place);
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    grid.map((y) => [
      shape("line", { class: "grid", x1: left, x2: right, y1: up(y), y2: up(y) }),
      shape("text", { x: left - 5, y: up(y) + 4, "text-anchor": "end" }, String(+y.toPrecision(2))),
    ]),
    marks.map((x) => shape("line", { class: "mark", x1: across(x), x2: across(x), y1: top, y2: bottom })),
    shape("text", { x: left, y: height - 5 }, String(xLow)),
    shape("text", { x: right, y: height - 5, "text-anchor": "end" }, `${label} ${xHigh}`),
    lines.map(({ name, colour, points }) => [
      shape("polyline", { points: points.map(([x, y]) => `${across(x)},${up(y)}`).join(" "), stroke: colour }),
      points.length <= 120
        ? points.map(([x, y]) => shape("circle", {
          cx: across(x), cy: up(y), r: 3.5, fill: colour, "data-tip": `${label} ${x}: ${name} ${format(y)}`,
          click: onpick ? () => onpick(x) : null,
        }))
        : [],
    ]));
  const legend = lines.map(({ name, colour }) => {
    const key = element("i");
    key.style.background = colour;
    return element("span", null, key, name);
  });
  return element("figure.chart", null,
    element("figcaption", null, element("b", null, title), element("span.legend", null, legend)), drawing);
}
