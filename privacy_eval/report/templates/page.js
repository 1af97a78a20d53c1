"use strict";
(() => {
  const form = document.getElementById("signoff-form");
  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; opened.push(part); }
    for (const day of form.querySelectorAll("input[type=date]")) {
      day.classList.toggle("empty", !day.value || !form.elements.name.value);  // to be filled in by hand
    }
  });
  window.addEventListener("afterprint", () => {
    while (opened.length) { opened.pop().open = false; }
  });

  const said = document.getElementById("signoff-said");
  const bound = JSON.parse(document.getElementById("signoff-bound").textContent);
  const release = form.querySelector("input[name=decision]").value;
  const today = new Date();
  const two = (number) => String(number).padStart(2, "0");
  form.elements.signed_on.value = `${today.getFullYear()}-${two(today.getMonth() + 1)}-${two(today.getDate())}`;

  const problem = (fields) => {
    if (!fields.name || !fields.role || !fields.institution) { return "Give name, role and institution."; }
    if (fields.expires_on && fields.expires_on <= fields.signed_on) { return "Valid until: give a day after the date."; }
    if (fields.decision !== release) { return ""; }
    if (!fields.recipients) { return "A release needs named recipients."; }
    if (!fields.expires_on) { return "A release needs a date until which it is valid."; }
    if (bound.verdict !== "NO LEAK FOUND AT THE STATED POWER" && !fields.comments) {
      return "Say in the comments why to release although the verdict is " + bound.verdict + ".";
    }
    return "";
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
    said.textContent = problem(fields);
    if (said.textContent) { return; }
    const text = JSON.stringify({ ...bound, ...fields }, null, 2) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `signoff-${bound.report_sha256.slice(0, 12)}-${fields.signed_on}.json`;
    link.click();
    said.textContent = "Saved as " + link.download + ".";
  });
})();
