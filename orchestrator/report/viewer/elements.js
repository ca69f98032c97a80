// Builds elements. Texts only ever become text nodes and attributes: what models and environments wrote is
// untrusted, and never parsed as HTML.

/** element("p.dim", {title: "x"}, "text", child): a tag with classes, its attributes, and its children. */
function element(selector, attributes, ...children) {
  const [tag, ...classes] = selector.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  return filled(made, attributes, children);
}

/** The same for SVG. */
function shape(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** A select with these [value, text] pairs. */
function choice(label, pairs, onchange) {
  const options = pairs.map(([value, text]) => element("option", { value }, text));
  return element("select", { "aria-label": label, change: onchange }, options);
}

const signed = (value) => (value >= 0 ? "+" : "\u2212") + Math.abs(value).toFixed(3);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** Shows the text of data-tip beside the pointer or the focused element, at once. */
function showTips(root) {
  const tip = element("div", { id: "tip", role: "tooltip" });
  tip.hidden = true;
  document.body.append(tip);
  const show = (event) => {
    const target = event.target.closest?.("[data-tip]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.tip;
    const box = target.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 0 ? above : box.bottom + 6}px`;
  };
  root.addEventListener("pointerover", show);
  root.addEventListener("pointerleave", show);
  const hide = () => (tip.hidden = true);
  root.addEventListener("scroll", hide, true);
  window.addEventListener("hashchange", hide);
}
