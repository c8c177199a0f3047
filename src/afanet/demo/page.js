"use strict";
const byId = id => document.getElementById(id);
const [status, answer, views, cursor, overlay, layer, connection, cut] =
  ["status", "answer", "views", "cursor", "overlay", "layer", "connection", "cut"].map(byId);
let about, photo, shown, asked = 0, at = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function say(words, error = false) { status.textContent = words; status.classList.toggle("error", error); }

async function start() {
  about = await (await fetch("about")).json();
  const names = about.tasks.map(task => task.name);
  byId("about").textContent = `${about.run}: ${names.join(", ")}, by the method ${about.method}.`;
  document.title = `${about.run}: try it on a photo`;
  for (let number = 0; number < about.samples; number++) {
    const picture = element("img", {src: `sample/${number}`, alt: `sample ${number + 1}`});
    byId("samples").append(element("button", {type: "button", onclick: async () => choose(await (await fetch(`sample/${number}`)).blob())}, picture));
  }
  for (const name of about.layers) layer.add(new Option(name));
  layer.selectedIndex = about.layers.length - 1;
  names.forEach((to, i) => names.forEach((source, j) => { if (i !== j) connection.add(new Option(`${to} ← ${source}`, `${i} ${j}`)); }));
  cut.max = about.layers.length;
  byId("borrowing").hidden = !about.layers.length;
}

function choose(file) { photo = file; cut.value = 0; at = null; ask(); }

async function ask() {
  if (!photo) return;
  const number = ++asked, [to, source] = (connection.value || "0 0").split(" ");
  say("Looking…");
  let reply, told;
  try {
    reply = await fetch(`answer?to=${to}&source=${source}&layers=${cut.value}`, {method: "POST", body: photo});
    told = await reply.json();
  } catch { reply = {ok: false}; told = {error: "The page's server gives no answer: is it still running?"}; }
  if (number !== asked) return;
  if (!reply.ok) { answer.hidden = true; return say(told.error, true); }
  shown = told;
  say("Done.");
  draw();
}

function draw() {
  const source = URL.createObjectURL(photo), picture = element("img", {src: source, alt: "the photo", onload: () => URL.revokeObjectURL(source)});
  views.replaceChildren(figure("photo", picture, null));
  shown.tasks.forEach((task, number) => views.append(task.picture ? dense(task, about.tasks[number]) : pooled(task)));
  byId("switch").hidden = !shown.taken.length;
  answer.hidden = false;
  borrow();
  point();
}

function figure(name, picture, task, ...rest) {
  const view = element("div", {className: "view", tabIndex: 0}, picture);
  view.setAttribute("role", "img");
  view.setAttribute("aria-label", `${name}: arrow keys move the point that is read`);
  view.addEventListener("pointermove", event => { const box = view.getBoundingClientRect(); move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height); });
  view.addEventListener("pointerdown", event => { const box = view.getBoundingClientRect(); move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height); });
  view.addEventListener("keydown", event => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const [x, y] = at ?? [.5, .5];
    move(x + .02 * step[0], y + .02 * step[1]);
  });
  if (task) view.dataset.task = task;
  return element("figure", {}, element("h2", {textContent: name}), view, ...rest);
}

function dense(task, {legend}) {
  const marks = element("div", {className: "legend"});
  if (legend.names) legend.names.forEach((name, i) => { const swatch = element("i"); swatch.style.background = legend.colours[i]; marks.append(element("span", {}, swatch, name)); });
  else { const bar = element("i", {className: "bar"}); bar.style.background = `linear-gradient(90deg, ${legend.gradient})`; marks.append(element("span", {}, `${legend.low} ${legend.unit}`, bar, `${legend.high} ${legend.unit}`)); }
  return figure(task.name, element("img", {src: task.picture, alt: `${task.name}, predicted`}), task.name, element("figcaption", {textContent: task.changed ? `With the cut, ${task.changed}.` : ""}), marks);
}

function pooled(task) {
  const list = element("div", {className: "likely"});
  for (const [name, probability] of task.likely) { const bar = element("i"); bar.style.width = `${100 * probability}%`; list.append(element("span", {}, name), bar, element("span", {}, `${(100 * probability).toFixed(1)} %`)); }
  return element("figure", {}, element("h2", {textContent: task.name}), element("p", {className: "words", textContent: task.words}), list, element("figcaption", {textContent: task.changed ? `With the cut, ${task.changed}.` : ""}));
}

function borrow() {
  for (const old of views.querySelectorAll(".taken")) old.remove();
  if (overlay.checked) for (const one of shown.taken) if (one.layer === layer.value) {
    const view = [...views.querySelectorAll(".view")].find(found => found.dataset.task === one.to);
    view?.append(element("img", {className: "taken", src: one.picture, alt: `where ${one.to} took of the others: bright is much`}));
  }
  const found = shown.shares.find(one => one.layer === layer.value), names = about.tasks.map(task => task.name);
  byId("shares").textContent = !found ? "" : names.map((to, i) => `${to} consists of ` + names.map((source, j) => `${(100 * found.shares[i][j]).toFixed(1)} % ${source}`).join(", ")).join("; ") + ".";
  const layers = about.layers.slice(about.layers.length - cut.value);
  byId("cuts").textContent = +cut.value ? `cut at ${layers.join(", ")}` : "not cut";
}

function move(x, y) { at = [Math.min(.9999, Math.max(0, x)), Math.min(.9999, Math.max(0, y))]; point(); }

function values(task) {
  if (!task.unpacked) { const bytes = Uint8Array.from(atob(task.values), one => one.charCodeAt(0)); task.unpacked = new DataView(bytes.buffer); }
  return task.unpacked;
}

function point() {
  for (const old of views.querySelectorAll(".point")) old.remove();
  if (!at) return;
  for (const view of views.querySelectorAll(".view")) { const mark = element("div", {className: "point"}); mark.style.left = `${100 * at[0]}%`; mark.style.top = `${100 * at[1]}%`; view.append(mark); }
  const read = shown.tasks.flatMap((task, number) => {
    if (!task.values) return [];
    const place = Math.floor(at[1] * task.height) * task.width + Math.floor(at[0] * task.width), value = values(task).getUint16(2 * place, true);
    const kind = about.tasks[number];
    return [`${task.name}: ${kind.kind === "depth" ? `${(value / 1000).toFixed(2)} m` : kind.legend.names[value]}`];
  });
  if (read.length) cursor.textContent = read.join(" · ");
}

byId("file").addEventListener("change", event => { if (event.target.files[0]) choose(event.target.files[0]); });
addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
addEventListener("drop", event => { event.preventDefault(); document.body.classList.remove("dropping"); if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]); });
for (const one of [overlay, layer]) one.addEventListener("change", () => shown && borrow());
cut.addEventListener("change", ask);
cut.addEventListener("input", () => shown && borrow());
connection.addEventListener("change", () => +cut.value && ask());
start();
