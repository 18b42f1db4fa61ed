"use strict";
// Chooses, orders and unfolds the rows. All texts of the page stay texts: nothing here makes HTML of them.
const filter = document.getElementById("filter");
if (filter) {
  const list = document.getElementById("rows");
  const rows = [...list.children].map((card) => ({
    card,
    row: Number(card.dataset.row),
    task: card.dataset.task,
    changes: card.dataset.change.split(" "),
    gain: card.dataset.gain === "" ? null : Number(card.dataset.gain),
    words: null,
  }));
  const { words, task, change, least, order, count, open, close } = filter.elements;
  const noneFound = document.getElementById("none-found");
  const plain = (text) => text.normalize("NFC").toLowerCase().replace(/\s+/g, " ");

  // What an answer lacks is written into it, which would divide its words: searched apart from them.
  function wordsOf(card) {
    const copy = card.cloneNode(true);
    for (const lacking of copy.querySelectorAll("del")) lacking.remove();
    return plain(copy.textContent);
  }

  function fits(one, wanted) {
    if (task && task.value && one.task !== task.value) return false;
    if (change.value && !one.changes.includes(change.value)) return false;
    if (least.value && !(Math.abs(one.gain ?? 0) >= Number(least.value))) return false;
    if (wanted.length) one.words ??= wordsOf(one.card);
    return wanted.every((word) => one.words.includes(word));
  }

  function choose() {
    const wanted = plain(words.value).split(" ").filter(Boolean);
    let shown = 0;
    for (const one of rows) {
      one.card.hidden = !fits(one, wanted);
      if (!one.card.hidden) shown += 1;
    }
    const numbers = { shown, rows: rows.length };
    count.value = count.dataset.pattern.replace(/\{(\w+)\}/g, (_, name) => numbers[name].toLocaleString("en"));
    noneFound.hidden = shown > 0;
  }

  // Rows without a gain come last in either order.
  function sort() {
    const sign = { gain: -1, loss: 1 }[order.value];
    const place = (one) => (sign === undefined ? one.row : one.gain === null ? Infinity : sign * one.gain);
    const sorted = [...rows].sort((a, b) => (place(a) === place(b) ? a.row - b.row : place(a) - place(b)));
    list.append(...sorted.map((one) => one.card));
  }

  function unfold(isOpen) {
    for (const one of rows) {
      if (one.card.hidden) continue;
      for (const part of one.card.querySelectorAll("details")) part.open = isOpen;
    }
  }

  filter.addEventListener("input", choose);
  order.addEventListener("change", sort);
  filter.addEventListener("submit", (event) => event.preventDefault());
  // The values change after the event.
  filter.addEventListener("reset", () => setTimeout(() => { choose(); sort(); }));
  open.addEventListener("click", () => unfold(true));
  close.addEventListener("click", () => unfold(false));

  // A link to a row that is hidden just now shows it.
  function follow() {
    const card = location.hash && document.getElementById(location.hash.slice(1));
    if (!card || !card.hidden) return;
    filter.reset();
    setTimeout(() => card.scrollIntoView());
  }
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest('a[href^="#row-"]')) setTimeout(follow);
  });

  // Answers to a task that was chosen before the page was reloaded: the form keeps its values.
  filter.hidden = false;
  choose();
  sort();
}
