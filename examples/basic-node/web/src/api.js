async function call(path, options) {
  const response = await fetch(`/api/${path}`, options);
  const value = await response.json();
  if (!response.ok) throw new Error(value.error);
  return value;
}

export const loadNotes = () => call("notes");

export const addNote = (text) =>
  call("notes", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }) });

export const countVisit = () => call("visits", { method: "POST" });
