"use strict";
const byId = id => document.getElementById(id);
const [status, answer, views, cursor, overlay, blend, layer, connection, cut, viewfinder, video] =
  ["status", "answer", "views", "cursor", "overlay", "blend", "layer", "connection", "cut", "viewfinder", "video"].map(byId);
const HINT = "Point at a picture or touch it, or go to one with Tab and move with the arrow keys.";
const GONE = "The page's server gives no answer: is it still running?";
let about, photo, shown, asked = 0, at = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function say(words, error = false) { status.textContent = words; status.classList.toggle("error", error); }
const percent = share => `${(100 * share).toFixed(1)}\u00a0%`;

async function get(path, options) {
  const reply = await fetch(path, options).catch(() => { throw new Error(GONE); });
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({error: GONE}))).error);
  return reply;
}

async function start() {
  try { about = await (await get("about")).json(); } catch (error) { return say(error.message, true); }
  const names = about.tasks.map(task => task.name);
  const notes = [`${about.run}: ${names.join(", ")}, by the method ${about.method}.`];
  if (about.data) notes.push(`It learnt from ${about.data}. A photo of another kind may fool it.`);
  if (!about.layers.length) notes.push("It has no layer at which tasks take from each other.");
  if (about.lacking) notes.push(about.lacking);
  if (!about.samples) notes.push("No data are read here, so there are no samples.");
  byId("about").textContent = notes.join(" ");
  if (about.here) byId("place").textContent = "it stays on this machine and is not kept.";
  document.title = `${about.run}: try it on a photo`;
  byId("samples").style.setProperty("--ratio", about.size[1] / about.size[0]); // nothing moves while they load
  for (let number = 0; number < about.samples; number++) {
    const picture = element("img", {src: `sample/${number}`, alt: `sample ${number + 1}`});
    byId("samples").append(element("button", {type: "button", onclick: () => sample(number)}, picture));
  }
  byId("tasks").hidden = names.length < 2;
  for (const name of names) {
    const box = element("input", {type: "checkbox", value: name, checked: true, onchange: switchTasks});
    byId("tasks").append(element("label", {}, box, ` ${name}`));
  }
  about.layers.forEach((name, i) => layer.add(new Option(about.places[i], name)));
  layer.selectedIndex = about.layers.length - 1;
  names.forEach((to, i) => names.forEach((source, j) => {
    if (i !== j) connection.add(new Option(`what ${to} takes from ${source}`, `${i} ${j}`));
  }));
  cut.max = about.cuttable ? about.layers.length : 0;
  byId("borrowing").hidden = !about.readable && !about.cuttable;
}

async function openCamera() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: true});
    viewfinder.showModal();
  } catch { say("The browser gives no camera.", true); }
}

function closeCamera() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  viewfinder.close();
}

function shoot() {
  if (!video.videoWidth) return; // it shows nothing yet
  const still = element("canvas", {width: video.videoWidth, height: video.videoHeight});
  still.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  still.toBlob(choose, "image/png");
}

async function sample(number) {
  const form = [1, 3].includes(about.channels) ? "sample" : "array"; // a picture has no other channels
  try { choose(await (await get(`${form}/${number}`)).blob()); } catch (error) { say(error.message, true); }
}

const boxes = () => [...byId("tasks").querySelectorAll("input")];
const chosen = () => boxes().filter(box => box.checked);

function switchTasks() {
  for (const box of boxes()) box.disabled = chosen().length === 1 && box.checked; // one task stays
  if (photo) ask();
}

function take(files) {
  if (files.length === 1) choose(files[0]);
  else say(files.length ? `Those are ${files.length} files: one at a time.` : "That is no file: save it first.", true);
}

function choose(file) { photo = file; cut.value = 0; at = null; ask(); }

async function ask() {
  const number = ++asked, [to, source] = (connection.value || "0 0").split(" ");
  const path = `answer?to=${to}&source=${source}&layers=${cut.value}`
    + `&tasks=${encodeURIComponent(chosen().map(box => box.value).join())}`;
  say("Looking…");
  let reply;
  try {
    reply = await (await get(path, {method: "POST", body: photo})).json();
  } catch (error) {
    if (number === asked) { answer.hidden = true; say(error.message, true); }
    return;
  }
  if (number !== asked) return;
  shown = reply;
  say("Done.");
  draw();
}

function draw() {
  const source = shown.photo ?? URL.createObjectURL(photo), [height, width] = shown.size;
  const picture = element("img", {src: source, alt: "the photo", onload: () => URL.revokeObjectURL(source)});
  views.style.setProperty("--ratio", Math.min(4, Math.max(1 / 3, width / height)));
  views.replaceChildren(element("figure", {}, element("h2", {textContent: "photo"}), view("photo", picture)));
  for (const task of shown.tasks) views.append(figure(task, described(task)));
  cursor.hidden = !readable();
  cursor.textContent = HINT;
  byId("switch").hidden = !shown.taken.length;
  byId("alike").hidden = shown.taken.length > 0 || !about.readable;
  answer.hidden = false;
  showConnections();
  point();
}

const described = task => about.tasks.find(({name}) => name === task.name);
const readable = () => shown.tasks.some(task => task.values);

function figure(task, {name, legend}) {
  const picture = element("img", {src: task.picture ?? "", alt: `${name}, predicted`, className: "predicted"});
  const parts = task.picture ? [beside(task, name, view(name, picture)), marks(legend)]
    : [element("p", {className: "words", textContent: task.words}), bars(task.likely)];
  if (task.before?.words) parts.push(element("p", {textContent: `Before the cut: ${task.before.words}.`}));
  const cutting = task.changed ? `With the cut, ${task.changed}.` : "";
  const notes = [element("p", {className: "shares"}), element("p", {textContent: cutting})];
  const made = element("figure", {}, element("h2", {textContent: name}), ...parts, element("figcaption", {}, ...notes));
  made.dataset.task = name;
  return made;
}

function beside(task, name, after) {
  if (!task.before) return after;
  const before = element("div", {className: "view"}, element("img", {src: task.before.picture, alt: `${name}, before the cut`, className: "before"}));
  return element("div", {className: "pair"}, element("span", {}, "before"), element("span", {}, "after the cut"), before, after);
}

function view(name, picture) {
  const made = element("div", {className: "view"}, picture);
  if (!readable()) return made;
  made.classList.add("read");
  made.tabIndex = 0;
  made.setAttribute("role", "application"); // a screen reader leaves the arrow keys to it
  made.setAttribute("aria-label", `${name}: arrow keys move the point that is read`);
  for (const kind of ["pointerdown", "pointermove"]) made.addEventListener(kind, event => {
    const box = made.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  });
  made.addEventListener("keydown", event => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const [x, y] = at ?? [.5, .5];
    move(x + .02 * step[0], y + .02 * step[1]);
  });
  return made;
}

function marks(legend) {
  const swatch = (background, className = "") => {
    const made = element("i", {className});
    made.style.background = background;
    return made;
  };
  const parts = legend.names
    ? legend.names.map((name, i) => element("span", {}, swatch(legend.colours[i]), name))
    : [element("span", {}, `${legend.low} ${legend.unit}`, swatch(`linear-gradient(90deg, ${legend.gradient})`, "bar"),
      `${legend.high} ${legend.unit}`)];
  return element("div", {className: "legend"}, ...parts);
}

function bars(likely) {
  const list = element("div", {className: "bars"});
  for (const [name, share] of likely) {
    const bar = element("i");
    bar.style.width = `${100 * share}%`;
    list.append(element("span", {}, name), bar, element("span", {}, percent(share)));
  }
  return list;
}

function showConnections() {
  for (const old of views.querySelectorAll(".taken")) old.remove();
  views.style.setProperty("--blend", blend.value / 100);
  const maps = shown.taken.filter(map => map.layer === layer.value).map(map => map.picture);
  byId("shared").hidden = !overlay.checked || maps.length < 2 || new Set(maps).size > 1;
  byId("strength").hidden = !overlay.checked || !maps.length;
  const figures = Object.fromEntries([...views.children].map(made => [made.dataset.task, made]));
  for (const map of shown.taken) if (overlay.checked && map.layer === layer.value) {
    const words = `where ${map.to} takes from the others: bright is much`, target = figures[map.to];
    ([...target.querySelectorAll(".view")].at(-1) ?? target).append(element("img", {className: "taken", src: map.picture, alt: words}));
  }
  for (const flow of shown.shares) if (flow.layer === layer.value) flow.shares.forEach((shares, to) => {
    const parts = shares.map((share, source) => `${percent(share)} ${about.tasks[source].name}`);
    const target = figures[about.tasks[to].name]; // none for a task that was not computed
    if (target) target.querySelector(".shares").textContent = `At ${place(flow.layer)}: ${parts.join(", ")}.`;
  });
  const layers = about.layers.slice(about.layers.length - cut.value).map(place);
  byId("cuts").textContent = +cut.value ? `cut at ${layers.join("; ")}` : "not cut";
}

const place = name => about.places[about.layers.indexOf(name)];

function move(x, y) { at = [x, y].map(value => Math.min(.9999, Math.max(0, value))); point(); }

function read(task, {name, legend}) {
  const index = Math.floor(at[1] * task.height) * task.width + Math.floor(at[0] * task.width);
  task.bytes ??= new DataView(Uint8Array.from(atob(task.values), character => character.charCodeAt(0)).buffer);
  const value = task.bytes.getUint16(2 * index, true);
  return `${name}: ${task.unit ? `${(value / task.steps).toFixed(2)} ${task.unit}` : legend.names[value]}`;
}

function point() {
  for (const old of views.querySelectorAll(".point")) old.remove();
  if (!at) return;
  for (const target of views.querySelectorAll(".view.read")) {
    const mark = element("div", {className: "point"});
    [mark.style.left, mark.style.top] = at.map(value => `${100 * value}%`);
    target.append(mark);
  }
  const [top, left, height, width] = shown.seen, [x, y] = [at[0] - left, at[1] - top];
  const words = shown.tasks.flatMap(task => task.values ? [read(task, described(task))] : []);
  const inside = x >= 0 && x < width && y >= 0 && y < height;
  cursor.textContent = inside ? words.join(" · ") : "The network does not see this part of the photo.";
}

byId("file").addEventListener("change", event => {
  const files = [...event.target.files];
  event.target.value = ""; // so that the same file can be chosen again
  if (files.length) take(files);
});
addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
addEventListener("drop", event => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files);
});
addEventListener("paste", event => take(event.clipboardData.files));
for (const control of [overlay, layer]) control.addEventListener("change", showConnections);
blend.addEventListener("input", showConnections);
byId("camera").hidden = !navigator.mediaDevices?.getUserMedia;
byId("camera").addEventListener("click", openCamera);
byId("shoot").addEventListener("click", shoot);
byId("leave").addEventListener("click", closeCamera);
viewfinder.addEventListener("cancel", closeCamera);
cut.addEventListener("change", ask);
cut.addEventListener("input", showConnections);
connection.addEventListener("change", () => +cut.value && ask());
start();
