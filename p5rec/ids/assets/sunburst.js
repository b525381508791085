"use strict";
const data = JSON.parse(document.getElementById("tree").textContent);
const COUNT = data.ring.length, TURN = 2 * Math.PI, HOLE = 96, EDGE = 396, MOVE = 450;
const MOST_NODES = 12;
const N = data.items.reduce((sum, n, w) => sum + (data.ring[w] === 0 ? n : 0), 0);
const RINGS = data.ring.reduce((most, ring) => Math.max(most, ring + 1), 0);
const children = Array.from({ length: COUNT + 1 }, () => []);  // the last entry: the first ring
data.parent.forEach((parent, w) => children[parent < 0 ? COUNT : parent].push(w));
const childrenOf = (w) => children[w < 0 ? COUNT : w];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const el = (id) => document.getElementById(id);
const svg = (name, where) =>
  where.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
const number = (n) => n.toLocaleString("en");
const count = (n, thing) => number(n) + " " + thing + (n === 1 ? "" : "s");

// --- texts ---

function codeOf(w) {
  const letter = "abcdefghijklmnopqrstuvwxyz"[data.ring[w]];
  return "<" + letter + "_" + (data.code[w] < 0 ? "…" : data.code[w]) + ">";
}

function codePath(w) {
  return w < 0 ? "" : codePath(data.parent[w]) + codeOf(w);
}

function wordsOf(w) {
  if (data.code[w] < 0) return ["and " + number(data.nodes[w]) + " more"];
  return data.words[w];
}

function describe(w) {
  const all = w < 0, items = all ? N : data.items[w], folded = !all && data.code[w] < 0;
  el("code").textContent = all ? "All items" : codePath(w);
  el("words").textContent = all ? "" : wordsOf(w).join(", ");
  const share = 100 * items / N, facts = [count(items, "item")];
  if (!all) facts.push((share < 0.1 ? "< 0.1" : share.toFixed(share < 9.95 ? 1 : 0)) + " %");
  if (folded) facts.push(count(data.nodes[w], "small node") + " folded");
  const nodes = childrenOf(w).reduce((sum, c) => sum + data.nodes[c], 0);
  if (nodes) facts.push(count(nodes, "node") + " inside");
  el("numbers").textContent = facts.join(" · ");
  document.querySelector("aside").style.borderTopColor = all || folded ? "" : data.fill[w];
  const examples = all ? [] : data.examples[w], one = !all && items === 1 && !folded;
  el("heading").textContent = examples.length && !one ?
    (items > examples.length ? "For example" : "These are") : "";
  el("examples").replaceChildren(...(one ? [] : examples).map((index) => {
    const line = document.createElement("li");
    line.dir = "auto";
    line.textContent = data.titles[index];
    return line;
  }));
  const inside = w === focus ? childrenOf(w).filter((c) => childrenOf(c).length) : [];
  inside.sort((one, other) => data.items[other] - data.items[one] || one - other);
  el("inside").replaceChildren(...inside.slice(0, MOST_NODES).map((child) => {
    const line = document.createElement("li"), button = document.createElement("button");
    const dot = document.createElement("i"), words = wordsOf(child).join(", ");
    dot.style.background = data.fill[child];
    button.type = "button";
    const items = " ·\u00a0" + number(data.items[child]);
    button.append(dot, codeOf(child) + (words && " " + words) + items);
    button.addEventListener("click", () => zoom(child));
    line.append(button);
    return line;
  }));
  const more = inside.length - MOST_NODES;
  el("largest").textContent = more > 0 ? "Its " + MOST_NODES + " largest nodes" : "";
}

function drawPath() {
  const steps = [];
  for (let w = focus; w >= 0; w = data.parent[w]) steps.unshift(w);
  el("path").replaceChildren(...[-1, ...steps].map((w) => {
    const step = document.createElement("li");
    const last = w === focus, link = document.createElement(last ? "span" : "button");
    const words = w < 0 ? "" : wordsOf(w).join(", ");
    link.textContent = w < 0 ? "All " + count(N, "item") : codeOf(w) + (words && " " + words);
    if (last) link.setAttribute("aria-current", "true");
    else { link.type = "button"; link.addEventListener("click", () => zoom(w)); }
    step.append(link);
    return step;
  }));
}

// --- shapes ---

let focus = -1, chosen = -1, view = viewOf(-1), frame = 0;

function viewOf(w) {  // the visible sector and rings
  const ring = w < 0 ? 0 : data.ring[w] + 1;
  return {
    first: w < 0 ? 0 : data.first[w], items: w < 0 ? N : data.items[w],
    ring: ring, rings: Math.max(RINGS - ring, 1),
  };
}

function shapeOf(w) {  // [inner and outer radius, first and last angle] in the view; null outside
  const band = (EDGE - HOLE) / view.rings, clamp = (x, a, b) => Math.min(Math.max(x, a), b);
  const inner = clamp(HOLE + (data.ring[w] - view.ring) * band, HOLE, EDGE);
  const outer = clamp(HOLE + (data.ring[w] - view.ring + 1) * band, HOLE, EDGE);
  const from = clamp((data.first[w] - view.first) / view.items, 0, 1);
  const to = clamp((data.first[w] + data.items[w] - view.first) / view.items, 0, 1);
  if (outer - inner < 0.01 || to - from < 1e-9) return null;
  return [inner, outer, from * TURN, to * TURN];
}

const at = (radius, angle) =>
  (radius * Math.sin(angle)).toFixed(2) + " " + (-radius * Math.cos(angle)).toFixed(2);

function arc(radius, from, to, sweep) {
  const turn = Math.abs(to - from) > Math.PI ? 1 : 0;
  return "A" + radius.toFixed(2) + " " + radius.toFixed(2) + " 0 " + turn + " " + sweep + " " +
    at(radius, to);
}

function outline([inner, outer, from, to]) {
  if (to - from > TURN - 1e-6) {  // a full circle needs two arcs
    const ring = (r, sweep) => "M" + at(r, 0) + arc(r, 0, Math.PI, sweep) +
      arc(r, Math.PI, TURN, sweep) + "Z";
    return ring(outer, 1) + ring(inner, 0);
  }
  return "M" + at(outer, from) + arc(outer, from, to, 1) + "L" + at(inner, to) +
    arc(inner, to, from, 0) + "Z";
}

const paths = data.ring.map((_, w) => {
  const path = svg("path", el("wedges"));
  path.setAttribute("fill", data.fill[w]);
  path.setAttribute("role", "button");
  path.setAttribute("tabindex", "-1");
  const texts = [codePath(w), wordsOf(w).join(", "), count(data.items[w], "item")];
  path.setAttribute("aria-label", texts.filter(Boolean).join(", "));
  path.classList.toggle("leaf", !childrenOf(w).length);
  path.classList.toggle("folded", data.code[w] < 0);
  return path;
});
const hidden = new Array(COUNT).fill(false);
const wedgeOf = new Map(paths.map((path, w) => [path, w]));

function draw() {
  const closed = textSize() / 4;  // below three pixels: too thin for an edge
  for (let w = 0; w < COUNT; w++) {
    const where = shapeOf(w), path = paths[w];
    if (hidden[w] !== !where) {
      hidden[w] = !where;
      path.style.display = where ? "" : "none";
    }
    if (!where) continue;
    path.setAttribute("d", outline(where));
    const long = where[1] * (where[3] - where[2]), thin = long < closed;
    path.style.strokeWidth = thin ? "0.5" : Math.min(1.4, 0.15 * long).toFixed(2);
    path.style.stroke = thin && data.code[w] >= 0 ? data.fill[w] : "";
  }
}

function mark(w) {
  const where = w < 0 ? null : shapeOf(w);
  el("marker").setAttribute("d", where ? outline(where) : "");
}

// --- labels ---

const pen = document.createElement("canvas").getContext("2d");

function dark(colour) {  // whether white text has more contrast than near-black text
  const channel = (at) => {
    const x = parseInt(colour.slice(at, at + 2), 16) / 255;
    return x > 0.04045 ? ((x + 0.055) / 1.055) ** 2.4 : x / 12.92;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5) < 0.19;
}

function shorten(text, space) {
  if (pen.measureText(text).width <= space) return text;
  const letters = Array.from(text);
  while (letters.length > 3) {
    letters.pop();
    const short = letters.join("").trimEnd() + "…";
    if (pen.measureText(short).width <= space) return short;
  }
  return "";
}

function level(lines, size, [inner, outer, from, to]) {  // whether horizontal text fits
  const middle = (from + to) / 2, radius = (inner + outer) / 2, gap = 4;
  const x = radius * Math.sin(middle), y = -radius * Math.cos(middle);
  const width = Math.max(...lines.map((line) => pen.measureText(line).width)) / 2;
  const height = lines.length * size * 1.15 / 2;
  for (const across of [-1, -0.5, 0, 0.5, 1]) {
    for (const down of [-1, 0, 1]) {
      const px = x + across * width, py = y + down * height, far = Math.hypot(px, py);
      if (far < inner + gap || far > outer - gap) return false;
      let turned = Math.atan2(px, -py) - middle;
      turned -= TURN * Math.round(turned / TURN);
      if (Math.abs(turned) > (to - from) / 2 - gap / far) return false;
    }
  }
  return true;
}

function write(lines, size, w, angle, radius, turned) {
  const text = svg("text", el("labels"));
  const x = radius * Math.sin(angle), y = -radius * Math.cos(angle);
  const left = angle > Math.PI, turn = turned ? angle * 360 / TURN + (left ? 90 : -90) : 0;
  text.setAttribute("transform", "translate(" + x.toFixed(1) + " " + y.toFixed(1) + ")" +
    (turn ? " rotate(" + turn.toFixed(2) + ")" : ""));
  text.setAttribute("font-size", size.toFixed(1));
  text.setAttribute("fill", dark(data.fill[w]) ? "#ffffff" : "#141414");
  text.classList.toggle("folded", data.code[w] < 0);
  lines.forEach((line, i) => {
    const span = svg("tspan", text);
    span.setAttribute("x", "0");
    span.setAttribute("y", ((i - (lines.length - 1) / 2) * size * 1.15).toFixed(1));
    span.textContent = line;
  });
}

function packed(words, space, most) {  // lines of complete words, and the number of words in them
  const lines = [];
  let placed = 0;
  for (const word of words) {
    const longer = lines.length ? lines[lines.length - 1] + ", " + word : word;
    if (lines.length && pen.measureText(longer).width <= space) lines[lines.length - 1] = longer;
    else if (lines.length < most && pen.measureText(word).width <= space) lines.push(word);
    else break;
    placed++;
  }
  return [lines, placed];
}

function along(lines, size, [inner, outer, from, to]) {  // whether text along the radius fits
  const width = Math.max(...lines.map((line) => pen.measureText(line).width));
  const narrow = (to - from) * ((inner + outer) / 2 - width / 2);  // at the inner end
  return width <= outer - inner - 10 && lines.length * size * 1.1 <= narrow - 2;
}

function label(w, where, size) {
  const [inner, outer, from, to] = where, middle = (from + to) / 2, radius = (inner + outer) / 2;
  const put = (lines, turned) => write(lines, size, w, middle, radius, turned);
  const space = outer - inner - 10;
  if (data.items[w] === 1 && data.code[w] >= 0) {
    for (const share of [1, 0.75, 0.5]) {
      const title = shorten(wordsOf(w)[0], share * space);
      if (title && along([title], size, where)) return put([title], true);
    }
    return;
  }
  const code = data.code[w] < 0 ? "+" + number(data.nodes[w]) : codeOf(w);
  for (const words of [wordsOf(w), [code]]) {
    for (let n = words.length; n > 0; n--) {
      const some = words.slice(0, n);
      if (level(some, size, where)) return put(some, false);
      for (const most of [1, 2, 3]) {
        const [lines, placed] = packed(some, space, most);
        if (placed === n && along(lines, size, where)) return put(lines, true);
      }
    }
  }
}

function textSize() {  // 12 screen pixels, 11 on small screens, in units of the chart
  const wide = Math.max(Math.min(el("chart").clientWidth, el("chart").clientHeight), 200);
  return (wide < 500 ? 11 : 12) * 800 / wide;
}

function drawLabels() {
  const size = textSize();
  pen.font = size + "px " + getComputedStyle(document.body).fontFamily;
  el("labels").replaceChildren();
  for (let w = 0; w < COUNT; w++) {
    const where = hidden[w] ? null : shapeOf(w);
    const mean = where ? (where[3] - where[2]) * (where[0] + where[1]) / 2 : 0;
    if (mean > size) label(w, where, size);
  }
  drawCentre(size);
}

function drawCentre(size) {
  const lines = [[number(focus < 0 ? N : data.items[focus]), 1.6, ""],
    [focus < 0 ? (N === 1 ? "item" : "items") : "of " + number(N), 1, "small"]];
  if (focus >= 0) lines.push(["↩ back", 1, "small"]);
  el("centre").replaceChildren();
  lines.forEach(([line, scale, kind], i) => {
    const text = svg("text", el("centre")), big = Math.min(scale * size, 44 * scale / 1.6);
    text.setAttribute("font-size", big.toFixed(1));
    text.setAttribute("class", kind);
    if (!kind) text.setAttribute("font-weight", "700");
    text.setAttribute("y", ((i - (lines.length - 1) / 2) * Math.min(1.5 * size, 34)).toFixed(1));
    text.textContent = line;
  });
  el("hole").setAttribute("class", focus < 0 ? "" : "back");
}

// --- navigation ---

function zoom(w, byKey) {
  const from = view, to = viewOf(w), left = focus;
  focus = w;
  chosen = w;
  drawPath();
  describe(w);
  mark(-1);
  el("labels").replaceChildren();
  drawCentre(textSize());
  cancelAnimationFrame(frame);
  const started = performance.now(), time = calm.matches ? 0 : MOVE;
  const step = (now) => {
    const t = time ? Math.min(Math.max((now - started) / time, 0), 1) : 1;
    const eased = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
    if (t < 1) {
      view = Object.fromEntries(
        Object.keys(to).map((k) => [k, from[k] + (to[k] - from[k]) * eased]));
      draw();
      frame = requestAnimationFrame(step);
      return;
    }
    view = to;
    draw();
    drawLabels();
    const next = left >= 0 && !hidden[left] ? left : childrenOf(w)[0];
    if (next !== undefined) stop(next);
    if (next !== undefined && byKey) paths[next].focus({ preventScroll: true });
  };
  if (time) frame = requestAnimationFrame(step);
  else step(started);
}

let tabbed = -1;

function stop(w) {  // makes one wedge the tab stop
  if (tabbed >= 0) paths[tabbed].setAttribute("tabindex", "-1");
  paths[w].setAttribute("tabindex", "0");
  tabbed = w;
}

function pick(w, byKey) {
  if (childrenOf(w).length) { zoom(w, byKey); return; }
  chosen = w;
  rest();
}

function rest() {  // describes the chosen wedge while the pointer is elsewhere
  describe(chosen);
  mark(chosen === focus ? -1 : chosen);
}

function back(byKey) {
  if (focus >= 0) zoom(data.parent[focus], byKey);
}

function walk(w, key) {
  if (key === "ArrowUp") return data.parent[w] === focus ? w : data.parent[w];
  if (key === "ArrowDown") return childrenOf(w).length ? childrenOf(w)[0] : w;
  const step = key === "ArrowRight" ? 1 : -1;
  const row = data.ring.map((_, other) => other).filter(
    (other) => !hidden[other] && data.ring[other] === data.ring[w]);
  return row[(row.indexOf(w) + step + row.length) % row.length];
}

const target = (event) => wedgeOf.has(event.target) ? wedgeOf.get(event.target) : -1;

el("chart").addEventListener("pointerover", (event) => {
  const w = target(event);
  if (event.pointerType === "touch" || w < 0) return;
  describe(w);
  mark(w);
});
el("chart").addEventListener("pointerleave", rest);
el("chart").addEventListener("click", (event) => {
  if (event.target === el("hole")) back(false);
  else if (target(event) >= 0) pick(target(event), false);
});
// not on the chart: an SVG element with a focus listener can take the focus
const main = document.querySelector("main");
main.addEventListener("focusin", (event) => {
  const w = target(event);
  if (w < 0) return;
  stop(w);
  describe(w);
  if (event.target.matches(":focus-visible")) mark(w);
});
main.addEventListener("focusout", (event) => { if (target(event) >= 0) rest(); });
main.addEventListener("keydown", (event) => {
  const w = target(event);
  if (w < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") pick(w, true);
  else if (event.key.startsWith("Arrow")) paths[walk(w, event.key)].focus({ preventScroll: true });
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (chosen !== focus) { chosen = focus; rest(); }
  else back(el("wedges").contains(document.activeElement));
});
let resized = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(drawLabels);
});

for (const id of ["headline", "size", "hidden"]) el(id).textContent = data[id];
document.title = data.headline;
drawPath();
draw();
drawLabels();
describe(-1);
if (COUNT) stop(0);
