"use strict";
// Draws every chart from the JSON beside it. The style sheet gives the colours of texts and lines.
const charts = [...document.querySelectorAll(".chart")].map((place) => ({
  place,
  ...JSON.parse(document.getElementById(place.id + "-data").textContent),
}));
const pen = document.createElement("canvas").getContext("2d");

// The label above a bar shares its line with the value: cuts it to the room that the value leaves.
function fitted(place, layout) {
  const font = layout.font;
  pen.font = `${font.size}px ${font.family}`;
  const width = (text) => pen.measureText(text).width;
  return (layout.annotations || []).map((label, i, labels) => {
    if (label.xref !== "paper" || label.xanchor !== "left") return label;
    const room = place.clientWidth - width(labels[i + 1].text) - 24;
    // What plotly shows as one character is one here: "&lt;" is not divided.
    const letters = label.text.match(/&\w+;|./gsu) || [];
    let kept = letters.length;
    while (kept > 1 && width(letters.slice(0, kept).join("") + "…") > room) kept -= 1;
    return kept === letters.length ? label : { ...label, text: letters.slice(0, kept).join("") + "…" };
  });
}

for (const { place, data, layout } of charts) {
  const annotations = fitted(place, layout);
  Plotly.newPlot(place, data, { ...layout, annotations }, { displayModeBar: false });
}
// Paper has another width than the window.
for (const moment of ["resize", "beforeprint", "afterprint"]) {
  window.addEventListener(moment, () => {
    for (const { place, layout } of charts) {
      Plotly.relayout(place, { annotations: fitted(place, layout), width: place.clientWidth });
    }
  });
}

// Marks the section that is being read in the list of contents.
const links = new Map();
for (const link of document.querySelectorAll("nav a")) links.set(link.hash.slice(1), link);
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
for (const section of document.querySelectorAll("section")) watcher.observe(section);
