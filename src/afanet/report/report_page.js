const images = JSON.parse(document.getElementById("images").textContent), base = {{ base | tojson }};
const [method, task, order, strip, stage, large] = ["method", "task", "order", "strip", "stage", "large"].map(id => document.getElementById(id));
for (const name of Object.keys(images[0]?.tasks ?? {})) task.add(new Option(name));
let shown = [], at = 0, enlarged = 0;
const gain = image => image.gains[method.value]?.[task.value] ?? null;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function sort() {
  const worth = image => gain(image) === null ? Infinity : order.value * gain(image);
  shown = images.filter(image => image.methods.includes(method.value)).sort((a, b) => worth(a) - worth(b));
  strip.replaceChildren(...shown.map((image, index) => element("button", {type: "button", title: image.id, onclick: () => show(index)},
    element("img", {src: image.photo, alt: image.id}))));
  show(0, false);
}

function picture(source, caption, of = "") {
  const button = element("button", {type: "button", title: "enlarge"}, element("img", {src: source, alt: of + caption}));
  button.addEventListener("click", () => enlarge(pictures().indexOf(button)));
  return element("figure", {}, button, element("figcaption", {}, caption));
}

function moved(image, name) {
  const change = image.gains[method.value]?.[name];
  if (change == null) return name;
  return `${name}: ${change ? (change > 0 ? {{ helped | tojson }} : {{ hurt | tojson }}) + " by " + Math.abs(change).toFixed(4) : "no change"}`;
}

function row(image, name, result, both) {
  const known = both.filter(key => key in result.predictions);
  return element("div", {className: "row"}, picture(image.photo, "image", `${name}: `), picture(result.truth, "truth", `${name}: `),
    ...known.map(key => picture(result.predictions[key], key, `${name}: `)),
    ...known.map(key => picture(result.errors[key], `${key}: error`, `${name}: `)));
}

function show(index, focus = true) {
  at = index;
  const image = shown[at];
  if (!image) return;
  [...strip.children].forEach((button, i) => { button.setAttribute("aria-current", i === at); button.tabIndex = i === at ? 0 : -1; });
  if (focus) { strip.children[at].focus(); strip.children[at].scrollIntoView({block: "nearest", inline: "nearest"}); }
  const both = [...new Set([base, method.value])], parts = [element("h3", {}, image.id)], said = [];
  for (const [name, result] of Object.entries(image.tasks)) {
    if (result.ends?.length) for (const bar of document.querySelectorAll("[data-ends]"))
      if (bar.dataset.ends === name) bar.querySelectorAll("b").forEach((end, i) => { end.textContent = result.ends[i]; });
    if (!result.words) { parts.push(element("h4", {}, moved(image, name)), row(image, name, result, both)); continue; }
    const lines = ["truth", ...both].filter(key => key in result.words).map(key => element("div", {}, `${key}: ${result.words[key]}`));
    said.push(element("div", {}, element("h4", {}, moved(image, name)), ...lines));
  }
  if (said.length) parts.push(element("div", {className: "said"}, picture(image.photo, "image"), ...said));
  stage.replaceChildren(...parts);
}

const pictures = () => [...stage.querySelectorAll("figure button")];

function enlarge(index) {
  enlarged = index;
  const small = pictures()[index].firstChild;
  const words = `${shown[at].id}, ${small.alt}`;
  large.replaceChildren(element("img", {src: small.src, alt: words}), element("p", {}, words));
  if (!large.open) large.showModal();
}

addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const [here, count] = large.open ? [enlarged, pictures().length] : [at, shown.length];
  const to = {ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: count - 1}[event.key];
  if (to === undefined || !(large.open || strip.contains(event.target))) return;
  event.preventDefault();
  (large.open ? enlarge : show)(Math.min(count - 1, Math.max(0, to)));
});
large.addEventListener("click", () => large.close());
for (const control of [method, task, order]) control.addEventListener("change", sort);
sort();
