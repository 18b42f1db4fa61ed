// The page: asks the server for a row, takes a choice and six scores, sends them, and shows the next row.
// Texts are set with textContent only. The script runs inside a function of Gradio's, which gives it
// `element` (the component) and `server` (start, item, save).

const WORDS = {
  en: {
    title: "Which answer is better?",
    intro: "You will see a question and two answers to it. Score each answer from 1 (poor) to 5 (excellent), then say which one is better. Each rating is saved at once: you can stop at any time and come back under the same name.",
    name: "Your name", start: "Start", nameHint: "Your progress is kept under this name.",
    question: "Question", context: "Context", reference: "Reference answer",
    left: "Left answer", right: "Right answer", empty: "(empty answer)",
    relevance: "Relevance", accuracy: "Accuracy", fluency: "Fluency",
    relevanceHelp: "Does it answer what was asked?", accuracyHelp: "Is what it says true?", fluencyHelp: "Is it well written?",
    better: "Which answer is better?", chooseLeft: "Left", chooseRight: "Right", tie: "Tie", both_bad: "Both bad",
    back: "Back", save: "Save", keyScore: "score the marked line", keyMove: "other line", keyChoice: "choose",
    keySave: "save, next", keyBack: "row before",
    finished: "All rows are rated", finishedText: "Thank you. Everything is saved; you can close this page.",
    again: "Look at my ratings again", other: "Another rater",
    rows: (done, total) => `${done} of ${total} rated`, missing: "Still missing: ", saved: "Saved",
    first: "This is the first row.",
    down: "The server does not answer, so this row is not saved yet. Start it again, then press Enter once more.",
    language: "한국어", changing: "You rated this row before; saving replaces that rating.",
  },
  ko: {
    title: "어느 답변이 더 좋은가요?",
    intro: "질문 하나와 답변 두 개가 나옵니다. 각 답변에 1점(나쁨)부터 5점(아주 좋음)까지 매긴 다음, 어느 쪽이 더 좋은지 고르세요. 평가는 바로 저장되므로 언제든지 멈추었다가 같은 이름으로 이어서 할 수 있습니다.",
    name: "이름", start: "시작", nameHint: "진행 상황은 이 이름으로 저장됩니다.",
    question: "질문", context: "문맥", reference: "참고 답안",
    left: "왼쪽 답변", right: "오른쪽 답변", empty: "(빈 답변)",
    relevance: "관련성", accuracy: "정확성", fluency: "유창성",
    relevanceHelp: "질문에 맞는 답인가요?", accuracyHelp: "내용이 사실인가요?", fluencyHelp: "글이 자연스러운가요?",
    better: "어느 답변이 더 좋은가요?", chooseLeft: "왼쪽", chooseRight: "오른쪽", tie: "비슷함", both_bad: "둘 다 나쁨",
    back: "이전", save: "저장", keyScore: "표시된 줄에 점수", keyMove: "다른 줄", keyChoice: "선택",
    keySave: "저장하고 다음", keyBack: "이전 문항",
    finished: "모든 문항을 평가했습니다", finishedText: "감사합니다. 모두 저장되었으니 이 창을 닫아도 됩니다.",
    again: "내 평가 다시 보기", other: "다른 평가자",
    rows: (done, total) => `${total}개 중 ${done}개 평가함`, missing: "아직 비어 있음: ", saved: "저장했습니다",
    first: "첫 문항입니다.",
    down: "서버가 응답하지 않아 이 문항은 아직 저장되지 않았습니다. 서버를 다시 켠 뒤 Enter를 한 번 더 누르세요.",
    language: "English", changing: "이미 평가한 문항입니다. 저장하면 새 평가로 바뀝니다.",
  },
};
const CRITERIA = ["relevance", "accuracy", "fluency"];
const CHOICES = [["left", "chooseLeft", "←"], ["right", "chooseRight", "→"], ["tie", "tie", "T"], ["both_bad", "both_bad", "B"]];

const root = element.querySelector(".blind");
const find = (selector) => root.querySelector(selector);
let language = navigator.language.startsWith("ko") ? "ko" : "en";
let rater = "", item = null, busy = false, current = 0;
let progress = { done: 0, total: 0 };
let given = { choice: null, left: {}, right: {} };

// --- building -------------------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function radio(value, ...children) {
  return make("button", { type: "button", role: "radio", "aria-checked": "false", "data-value": value }, ...children);
}

const lines = []; // the six lines of scores in the order in which they are asked: {side, criterion, row, buttons}
for (const side of ["left", "right"]) {
  const place = find(`article[data-side=${side}] .scores`);
  for (const criterion of CRITERIA) {
    const buttons = [1, 2, 3, 4, 5].map((score) => radio(score, String(score)));
    const label = make("span", { "data-word": criterion, "data-help": criterion + "Help" });
    const options = make("span", { class: "options", role: "radiogroup" }, ...buttons);
    const row = make("div", { class: "row" }, label, options);
    const place_in_order = lines.length;
    buttons.forEach((button, index) => button.addEventListener("click", () => score(place_in_order, index + 1)));
    row.addEventListener("focusin", () => setCurrent(place_in_order));
    lines.push({ side, criterion, row, options, buttons });
    place.append(row);
  }
}
for (const [value, word, key] of CHOICES) {
  const button = radio(value, make("span", { "data-word": word }), " ", make("kbd", {}, key));
  button.addEventListener("click", () => choose(value));
  find(".choices").append(button);
}

// --- showing --------------------------------------------------------------------------------------------------

function word(name) { return WORDS[language][name]; }

function showWords() {
  for (const place of root.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  for (const place of root.querySelectorAll("[data-help]")) place.title = word(place.dataset.help);
  for (const { side, criterion, options } of lines) options.setAttribute("aria-label", `${word(side)}, ${word(criterion)}: ${word(criterion + "Help")}`);
  find(".choices").setAttribute("aria-label", word("better"));
  find(".language").textContent = word("language");
  root.lang = language;
  document.title = word("title");
  for (const side of ["left", "right"]) if (item) showText(find(`article[data-side=${side}] .text`), item[side]);
  showProgress();
}

function showProgress() {
  const { done, total } = progress;
  find(".count").textContent = word("rows")(done, total);
  find(".who").textContent = rater;
  find(".progress div").style.width = `${total ? (100 * done) / total : 0}%`;
  find(".progress").setAttribute("aria-valuemax", total);
  find(".progress").setAttribute("aria-valuenow", done);
  find(".progress").setAttribute("aria-label", word("rows")(done, total));
}

function showText(place, text) {
  const empty = !text.trim();
  place.classList.toggle("empty", empty);
  place.textContent = empty ? word("empty") : text;
}

function say(text, wrong = false) {
  const message = find(".message");
  message.textContent = text;
  message.classList.toggle("wrong", wrong);
  clearTimeout(say.timer);
  if (text && !wrong) say.timer = setTimeout(() => say(""), 1500);
}

function view(name) { root.dataset.view = name; }

function showItem(reply) {
  progress = { done: reply.done, total: reply.total };
  item = reply.item;
  showProgress();
  if (!item) {
    view("finished");
    find(".finished").focus();
    return;
  }
  given = item.given
    ? { choice: item.given.choice, left: { ...item.given.left }, right: { ...item.given.right } }
    : { choice: null, left: {}, right: {} };
  view("rating");
  find(".prompt").textContent = item.prompt;
  find(".prompt").scrollTop = 0;
  for (const name of ["context", "reference"]) {
    const place = find(`details.${name}`);
    place.open = false;
    place.hidden = item[name] === null;
    place.querySelector(".text").textContent = item[name] ?? "";
  }
  for (const side of ["left", "right"]) showText(find(`article[data-side=${side}] .text`), item[side]);
  for (const { row } of lines) row.firstChild.classList.remove("missing");
  showGiven();
  window.scrollTo(0, 0);
  setCurrent(0);
  focusLine(0, true);
  if (item.given) say(word("changing"));
}

function check(buttons, value) {
  const chosen = buttons.find((button) => button.dataset.value === String(value));
  for (const button of buttons) {
    button.setAttribute("aria-checked", String(button === chosen));
    button.tabIndex = button === (chosen ?? buttons[0]) ? 0 : -1;
  }
}

function showGiven() {
  for (const { side, criterion, buttons } of lines) check(buttons, given[side][criterion]);
  check([...find(".choices").children], given.choice);
  for (const side of ["left", "right"]) find(`article[data-side=${side}]`).classList.toggle("chosen", given.choice === side);
}

function setCurrent(place) {
  current = place;
  lines.forEach(({ row }, index) => row.classList.toggle("current", index === place));
}

function focusLine(place, still = false) {
  const { buttons } = lines[place];
  buttons.find((button) => button.tabIndex === 0).focus({ preventScroll: still });
}

// --- taking ---------------------------------------------------------------------------------------------------

function score(place, value) {
  const { side, criterion, row } = lines[place];
  given[side][criterion] = value;
  row.firstChild.classList.remove("missing");
  showGiven();
  const next = Math.min(place + 1, lines.length - 1);
  setCurrent(next);
  focusLine(next);
}

function choose(value) {
  given.choice = value;
  showGiven();
}

function missing() {
  const empty = lines.filter(({ side, criterion }) => !given[side][criterion]);
  for (const line of empty) line.row.firstChild.classList.add("missing");
  const said = empty.map(({ side, criterion }) => `${word(side)} · ${word(criterion)}`);
  if (!given.choice) said.push(word("better"));
  if (said.length) {
    say(word("missing") + said.join(", "), true);
    if (empty.length) focusLine(lines.indexOf(empty[0]));
    else find(".choices button").focus();
  }
  return said.length > 0;
}

// --- the server -----------------------------------------------------------------------------------------------

async function ask(name, ...values) {
  if (busy) return null;
  busy = true;
  try {
    const late = new Promise((_, refuse) => setTimeout(() => refuse(new Error("no answer")), 20000));
    const reply = await Promise.race([server[name](values), late]);
    if (!reply || reply.error || !("total" in reply)) {
      say(reply?.error ?? word("down"), true);
      return null;
    }
    say("");
    return reply;
  } catch {
    say(word("down"), true);
    return null;
  } finally {
    busy = false;
  }
}

async function start(name) {
  const reply = await ask("start", name);
  if (!reply) return;
  rater = reply.rater;
  sessionStorage.setItem("bitsft-rater", rater);
  showItem(reply);
}

async function save() {
  if (busy || missing()) return;
  const reply = await ask("save", rater, item.position, given.choice, given.left, given.right);
  if (!reply) return;
  showItem(reply);
  say(word("saved"));
}

async function goTo(position) {
  const reply = await ask("item", rater, position);
  if (reply) showItem(reply);
}

function back() {
  if (item.position === 0) say(word("first"));
  else goTo(item.position - 1);
}

function leave() {
  sessionStorage.removeItem("bitsft-rater");
  rater = "";
  item = null;
  view("welcome");
  find("input").value = "";
  find("input").focus();
}

// --- keys -----------------------------------------------------------------------------------------------------
// By `code`, the place on the keyboard: with a Korean layout the key T gives ㅅ.

function key(event) {
  if (!root.isConnected) {
    document.removeEventListener("keydown", key);
    return;
  }
  if (root.dataset.view !== "rating" || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
  const actions = {
    ArrowLeft: () => choose("left"), ArrowRight: () => choose("right"), KeyT: () => choose("tie"), KeyB: () => choose("both_bad"),
    ArrowUp: () => focusLine(Math.max(0, current - 1)), ArrowDown: () => focusLine(Math.min(lines.length - 1, current + 1)),
    Backspace: back, KeyC: () => toggle("context"), KeyR: () => toggle("reference"),
    Enter: save, NumpadEnter: save,
  };
  const action = digit ? () => score(current, Number(digit[1])) : actions[event.code];
  // Enter on a fold or on "Back" is meant for it.
  const own = document.activeElement?.closest("summary, button:not([role=radio])");
  if (!action || event.repeat || (own && event.code.endsWith("Enter"))) return;
  event.preventDefault();
  action();
}

function toggle(name) {
  const place = find(`details.${name}`);
  if (!place.hidden) place.open = !place.open;
}

document.addEventListener("keydown", key);
find(".save").addEventListener("click", save);
find(".back").addEventListener("click", back);
find(".again").addEventListener("click", () => goTo(0));
find(".other").addEventListener("click", leave);
find(".language").addEventListener("click", () => {
  language = language === "en" ? "ko" : "en";
  showWords();
});
find(".welcome").addEventListener("submit", (event) => {
  event.preventDefault();
  start(find("input").value);
});

showWords();
view("welcome");
const known = sessionStorage.getItem("bitsft-rater");
if (known) start(known);
else find("input").focus();
