"use strict";

const form = document.getElementById("form");
const list = document.getElementById("entries");
const note = document.getElementById("status");

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function entryElement(entry) {
  const item = document.createElement("li");
  const by = element("div", "", "by");
  const time = element("time", new Date(entry.created_at).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" }));
  time.dateTime = entry.created_at;
  by.append(element("b", entry.author), entry.place ? `, ${entry.place}, ` : ", ", time);
  item.append(element("blockquote", entry.message), by);
  return item;
}

function say(text, wrong = false) {
  note.textContent = text;
  note.classList.toggle("wrong", wrong);
}

async function call(options) {
  const response = await fetch("/api/entries", options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function load() {
  try {
    const entries = await call();
    list.replaceChildren(...entries.map(entryElement));
    if (!entries.length) list.append(element("li", "No entries yet. Be the first.", "empty"));
  } catch (error) {
    say(`The entries could not be loaded: ${error.message}`, true);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("Sending …");
  try {
    const body = JSON.stringify(Object.fromEntries(new FormData(form)));
    const entry = await call({ method: "POST", headers: { "Content-Type": "application/json" }, body });
    const item = entryElement(entry);
    item.classList.add("new");
    list.querySelector(".empty")?.remove();
    list.prepend(item);
    form.reset();
    say("Thank you.");
  } catch (error) {
    say(`That did not work: ${error.message}`, true);
  } finally {
    button.disabled = false;
  }
});

load();
