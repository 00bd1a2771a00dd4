// A conversation with one model, or with two side by side; and where their answers looked.
import { drawLegend, drawMap, range, strongest } from "./map.js";
import { ask, attention, models } from "./requests.js";

const at = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

let waiting = []; // pictures of the next message, as data URLs
let turns = []; // {content, answers: Map(model -> text)}
let stopper = null;

const key = () => at("key").value.trim();
const chosen = () => [...new Set([at("model").value, at("against").value].filter(Boolean))];

// What a model has been told and has said, up to a turn; its answer to it among them, or not.
function messages(model, upTo, answered) {
  const system = at("system").value.trim();
  const said = system ? [{ role: "system", content: system }] : [];
  for (const [number, turn] of turns.slice(0, upTo + 1).entries()) {
    const answer = turn.answers.get(model);
    if (number < upTo && answer === undefined) continue; // it was not asked then
    said.push({ role: "user", content: turn.content });
    if (number < upTo || answered) said.push({ role: "assistant", content: answer });
  }
  return said;
}

function options() {
  const found = {};
  if (at("temperature").value !== "") found.temperature = Number(at("temperature").value);
  if (at("max-tokens").value !== "") found.max_tokens = Number(at("max-tokens").value);
  return found;
}

function showWaiting() {
  at("pictures").replaceChildren(
    ...waiting.map((url, number) =>
      make("li", {}, make("img", { src: url, alt: `Picture ${number + 1}` }),
        make("button", {
          type: "button", textContent: "×", ariaLabel: `Remove picture ${number + 1}`,
          onclick: () => { waiting.splice(number, 1); showWaiting(); },
        }))));
}

async function addFiles(files) {
  for (const file of files) {
    if (!file.type.startsWith("image/")) {
      at("problem").textContent = `${file.name} is no picture`;
      continue;
    }
    const reader = new FileReader();
    const read = new Promise((resolve, reject) => { reader.onload = resolve; reader.onerror = reject; });
    reader.readAsDataURL(file);
    await read;
    waiting.push(reader.result);
  }
  showWaiting();
}

async function send() {
  const text = at("text").value.trim();
  if (stopper || (!text && !waiting.length)) return;
  at("problem").textContent = "";
  at("welcome")?.remove();
  const pictures = waiting;
  const content = [
    ...pictures.map((url) => ({ type: "image_url", image_url: { url } })), { type: "text", text }];
  const turn = { content, answers: new Map() };
  const number = turns.push(turn) - 1;
  at("text").value = "";
  waiting = [];
  showWaiting();
  const answers = make("div", { className: "answers" });
  const asked = make("div", { className: "asked" },
    ...pictures.map((url, place) => make("img", { src: url, alt: `Picture ${place + 1} of the message` })),
    make("p", { textContent: text }));
  at("log").append(make("section", { className: "turn", ariaLabel: `Turn ${number + 1}` }, asked, answers));
  stopper = new AbortController();
  at("send").hidden = true;
  at("stop").hidden = false;
  await Promise.all(chosen().map((model) => answer(model, number, answers, stopper.signal)));
  stopper = null;
  at("send").hidden = false;
  at("stop").hidden = true;
  if (!turn.answers.size) turns.pop(); // nobody has answered: it was not said
}

async function answer(model, number, answers, signal) {
  const text = make("p", { className: "text", ariaLive: "polite" });
  const card = make("article", { className: "answer writing" }, make("h2", { textContent: model }), text);
  answers.append(card);
  card.scrollIntoView({ block: "nearest" });
  const started = performance.now();
  let usage = null;
  try {
    for await (const piece of ask({ model, messages: messages(model, number, false), ...options() }, key(), signal)) {
      if (piece.usage) usage = piece.usage;
      text.append(piece.choices?.[0]?.delta?.content ?? "");
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      card.append(make("p", { className: "wrong", role: "alert", textContent: error.message }));
      card.classList.remove("writing");
      return;
    }
  }
  card.classList.remove("writing");
  turns[number].answers.set(model, text.textContent);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const figures = usage ? `${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written, ` : "stopped after ";
  const foot = make("div", { className: "foot" }, make("span", { textContent: `${figures}${seconds} s` }));
  card.append(foot);
  if (messages(model, number, true).some((said) => said.content.some?.((part) => part.type === "image_url")))
    foot.append(lookButton(model, number, card));
  card.scrollIntoView({ block: "nearest" });
}

function lookButton(model, number, card) {
  const button = make("button", { type: "button", textContent: "Where it looked", ariaExpanded: "false" });
  let shown = null;
  button.onclick = async () => {
    if (shown) {
      shown.hidden = !shown.hidden;
      button.ariaExpanded = String(!shown.hidden);
      return;
    }
    button.disabled = true;
    try {
      shown = await maps(model, number);
      card.append(shown);
      button.ariaExpanded = "true";
      shown.scrollIntoView({ block: "nearest" });
    } catch (error) {
      card.append(make("p", { className: "wrong", role: "alert", textContent: error.message }));
    }
    button.disabled = false;
  };
  return button;
}

async function maps(model, number) {
  const said = messages(model, number, true);
  const { pictures } = await attention({ model, messages: said }, key());
  const urls = said.flatMap((one) => (Array.isArray(one.content) ? one.content : []))
    .filter((part) => part.type === "image_url").map((part) => part.image_url.url);
  const shown = make("div");
  for (const [place, picture] of pictures.entries()) {
    const share = `${(100 * picture.share).toFixed(1)} % of attention is on picture ${place + 1}`;
    const caption = make("figcaption");
    const figure = make("figure", {});
    if (picture.tiles.length) {
      const canvas = make("canvas", { role: "img", ariaLabel: `${share}; ${strongest(picture)}` });
      await drawMap(canvas, urls[place], picture);
      const legend = make("canvas", { width: 128, height: 1 });
      legend.ariaHidden = "true";
      drawLegend(legend);
      caption.append(`${share}; ${strongest(picture)}`,
        make("span", { className: "legend" }, ...range(picture).map((share) => `${(100 * share).toFixed(1)} %`)));
      caption.lastChild.firstChild.after(legend);
      figure.append(canvas, caption);
    } else {
      caption.textContent = `${share}; this model's visual tokens have no places on it`;
      figure.append(caption);
    }
    shown.append(figure);
  }
  shown.append(make("p", {
    className: "foot",
    textContent: "Mean over all layers, heads and tokens of the answer. Where the model read, not why it answered.",
  }));
  return shown;
}

async function start() {
  try {
    const names = await models(key());
    const previous = at("model").value;
    at("model").replaceChildren(...names.map((name) => new Option(name, name)));
    at("against").replaceChildren(new Option("nobody", ""), ...names.map((name) => new Option(name, name)));
    if (names.includes(previous)) at("model").value = previous;
    at("against-label").hidden = names.length < 2;
    if (names.length > 1) at("against").value = names[1];
    at("problem").textContent = "";
  } catch (error) {
    at("problem").textContent = error.message;
    if (error.status === 401) at("settings").open = true;
  }
}

at("composer").onsubmit = (event) => { event.preventDefault(); send(); };
at("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
};
at("stop").onclick = () => stopper?.abort();
at("files").onchange = async (event) => { await addFiles([...event.target.files]); event.target.value = ""; };
at("key").onchange = start;
at("reset").onclick = () => {
  stopper?.abort();
  turns = [];
  waiting = [];
  showWaiting();
  at("log").replaceChildren();
  at("text").focus();
};
document.onpaste = (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) { event.preventDefault(); addFiles(files); }
};
document.ondragover = (event) => {
  if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); at("drop").hidden = false; }
};
document.ondragleave = (event) => { if (!event.relatedTarget) at("drop").hidden = true; };
document.ondrop = (event) => {
  event.preventDefault();
  at("drop").hidden = true;
  addFiles([...event.dataTransfer.files]);
};
start();
