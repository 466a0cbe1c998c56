import "./style.css";
import { addNote, countVisit, loadNotes } from "./api.js";

const form = document.getElementById("form");
const list = document.getElementById("notes");
const message = document.getElementById("note");

function noteElement(note) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = note.created_at;
  time.textContent = new Date(note.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const text = document.createElement("p");
  text.textContent = note.text;
  item.append(text, time);
  return item;
}

async function trying(work) {
  try {
    await work();
    message.textContent = "";
  } catch (error) {
    message.textContent = `That did not work: ${error.message}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  trying(async () => {
    list.prepend(noteElement(await addNote(new FormData(form).get("text"))));
    form.reset();
  });
});

trying(async () => list.replaceChildren(...(await loadNotes()).map(noteElement)));
trying(async () => {
  const { visits } = await countVisit();
  document.getElementById("visits").textContent = `Visit number ${visits}`;
});
