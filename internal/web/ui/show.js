// Adds to each password field a button that shows the password. On submit the field is a password
// field again, so that browsers offer to save it and do not store it for autocomplete.
for (const field of document.querySelectorAll("input[data-show]")) {
  const button = document.createElement("button");
  const set = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? field.dataset.hide : field.dataset.show;
    button.setAttribute("aria-pressed", String(shown));
  };
  button.type = "button";
  button.className = "show";
  button.id = field.id + "-show";
  button.setAttribute("aria-controls", field.id);
  button.addEventListener("click", () => set(field.type === "password"));
  field.form.addEventListener("submit", () => set(false));
  field.classList.add("showable");
  set(false);
  field.after(button);
}
