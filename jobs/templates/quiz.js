"use strict";
const quiz = JSON.parse(document.getElementById("quiz").textContent);
const cases = [...document.querySelectorAll(".case")];
const guessOf = k => document.querySelector(`input[name=q${k}]:checked`)?.value ?? null;
const guesses = () => cases.map((_, k) => guessOf(k));
const answers = () => ({quiz: "fedsynth", release: quiz.release, seed: quiz.seed, answers: guesses()});
const say = text => { document.getElementById("result").textContent = text; };

function progress() {
  const made = guesses().filter(Boolean).length;
  document.getElementById("progress").textContent = `${made} of ${cases.length} guessed`;
}

async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

function logGamma(x) {
  const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, .001208650973866179,
             -.000005395239384953];
  let y = x, sum = 1.000000000190015;
  for (const one of c) sum += one / ++y;
  return -(x + 5.5) + (x + .5) * Math.log(x + 5.5) + Math.log(2.5066282746310005 * sum / x);
}

function atLeast(k, n, p) {
  let sum = 0;
  for (let i = k; i <= n; i++) {
    sum += Math.exp(logGamma(n + 1) - logGamma(i + 1) - logGamma(n - i + 1) + i * Math.log(p) + (n - i) * Math.log(1 - p));
  }
  return sum;
}

function solve(rising, wanted) {
  let low = 0, high = 1;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (rising(middle) < wanted) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

function interval(right, n) {
  return [right === 0 ? 0 : solve(p => atLeast(right, n, p), .025),
          right === n ? 1 : solve(p => atLeast(right + 1, n, p), .975)];
}

async function scoreHere() {
  let right = 0, n = 0;
  for (const [k, guess] of guesses().entries()) {
    if (!guess) continue;
    n += 1;
    const hit = await digest(`${quiz.salt}:${k}:${guess}`) === quiz.digests[k];
    right += hit;
    document.getElementById(`mark${k}`).textContent = hit ? "✓ right" : "✕ wrong";
  }
  if (!n) return say("No guess yet.");
  const [low, high] = interval(right, n), percent = value => `${Math.round(100 * value)} %`;
  say(`${right} of ${n} right, ${percent(right / n)} (95 % interval ${percent(low)} to ${percent(high)}, exact): ` +
      (low > .5 ? "better than guessing." : high < .5 ? "worse than guessing." : "chance is in the interval."));
}

async function scoreThere() {
  const reply = await fetch("answers", {method: "POST", headers: {"Content-Type": "application/json"},
                                        body: JSON.stringify(answers())});
  const found = await reply.json();
  if (!reply.ok) return say(found.error);
  found.marks.forEach((mark, k) => { document.getElementById(`mark${k}`).textContent = mark; });
  say(`${found.says} Kept as ${found.kept}.`);
}

document.getElementById("finish").addEventListener("click", async () => {
  try {
    await (quiz.served ? scoreThere() : scoreHere());
    if (guesses().some(Boolean)) {
      document.querySelectorAll(".case input").forEach(input => { input.disabled = true; });
      document.getElementById("finish").disabled = true;
      document.getElementById("save").disabled = false;
    }
  } catch (error) { say(`Not scored: ${error.message}. Save the answers and run 'fedsynth quiz RUN --score FILE'.`);
                    document.getElementById("save").disabled = false; }
});
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answers())], {type: "application/json"}));
  link.download = "answers.json";
  link.click();
});
let here = 0;
const show = k => { cases[here].classList.remove("here"); here = k; cases[k].classList.add("here"); };
document.addEventListener("keydown", event => {
  const guess = {r: "real", s: "synthetic"}[event.key.toLowerCase()];
  if (!guess || event.ctrlKey || event.metaKey || event.altKey) return;
  const input = document.querySelector(`input[name=q${here}][value=${guess}]`);
  if (input.disabled) return;
  input.checked = true;
  progress();
  if (here + 1 < cases.length) { show(here + 1); cases[here].scrollIntoView({block: "center"}); }
});
cases.forEach((one, k) => one.addEventListener("change", () => { show(k); progress(); }));
show(0);
progress();
