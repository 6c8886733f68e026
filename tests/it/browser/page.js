// What is wrong with the page that is open, as sentences: by the browser's own measures, since only it knows
// what a style comes to. Run by the tests, as the body of a function.
"use strict";

const wrong = [];
const name = (element) => {
  const id = element.id ? `#${element.id}` : "";
  const text = (element.textContent || element.value || "").trim().slice(0, 30);
  return `${element.localName}${id} '${text}'`;
};
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

// Structure: what a screen reader finds its way by.
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`two elements are #${id}`);
if (document.documentElement.lang !== "en") wrong.push("the page does not say its language");
if (!/^\S.* - Waybill$/.test(document.title)) wrong.push(`the title is '${document.title}'`);
let depth = 0;
for (const heading of [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown)) {
  const level = Number(heading.localName[1]);
  if (level > depth + 1) wrong.push(`${name(heading)} skips a level`);
  depth = level;
}
if ([...document.querySelectorAll("h1")].filter(shown).length !== 1) wrong.push("there is not one h1");
if (document.querySelectorAll("main").length !== 1) wrong.push("there is not one main");
for (const cell of document.querySelectorAll("thead th:not([scope])")) wrong.push(`${name(cell)} has no scope`);
for (const element of document.querySelectorAll("[aria-labelledby], label[for]")) {
  const target = element.getAttribute("aria-labelledby") || element.htmlFor;
  if (!document.getElementById(target)) wrong.push(`${name(element)} speaks of #${target}, which is not there`);
}

// Contrast (WCAG 2.2, 1.4.3): of each text with what is painted behind it.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const over = (top, ground) => top.slice(0, 3).map((c, at) => (c * top[3] + ground[at] * (255 - top[3])) / 255);
const light = ([r, g, b]) => {
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
};
const ratio = (one, two) => {
  const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return layers.reduce((below, layer) => over(layer, below), dark ? [18, 18, 18] : [255, 255, 255]);
};
const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (words.nextNode()) {
  const element = words.currentNode.parentElement;
  if (!words.currentNode.data.trim() || seen.has(element) || !shown(element)) continue;
  seen.add(element);
  if (element.closest(".unseen, .skip, svg, option, script")) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  const behind = ground(element);
  const found = ratio(over(rgba(style.color), behind), behind);
  if (found < least) wrong.push(`${name(element)} has a contrast of ${found.toFixed(2)}`);
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (!shown(field)) continue;
  const found = ratio(over(rgba(getComputedStyle(field).borderTopColor), [0, 0, 0]), ground(field.parentElement));
  if (found < 3) wrong.push(`the border of ${name(field)} has a contrast of ${found.toFixed(2)}`);
}

// Room: nothing is wider than the window, but what scrolls by itself.
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > wide) {
  const widest = [...document.body.querySelectorAll("*")]
    .filter((element) => !element.closest(".wide") && element.getBoundingClientRect().right > wide + 0.5);
  wrong.push(`wider than the window of ${wide}: ${widest.slice(0, 3).map(name).join(", ")}`);
}
for (const table of document.querySelectorAll(".wide")) {
  if (wide >= 1280 && table.scrollWidth > table.clientWidth) wrong.push(`a desk does not hold ${name(table)}`);
}

// What is pressed can be hit (WCAG 2.2, 2.5.8): 24 pixels, or as much room around it.
const pressed = [...document.querySelectorAll("button, input:not([type=hidden]), select, nav a")].filter(shown);
const places = new Map(pressed.map((element) => [element, element.getBoundingClientRect()]));
for (const [element, { left, top, width, height }] of places) {
  if (width >= 24 && height >= 24) continue;
  const [x, y] = [left + width / 2, top + height / 2];
  const away = ([other, at]) => other === element
    || Math.hypot(x - Math.max(at.left, Math.min(x, at.right)), y - Math.max(at.top, Math.min(y, at.bottom))) >= 12;
  if (![...places].every(away)) wrong.push(`${name(element)} is ${width} by ${height}, and another is near`);
}
return wrong;
