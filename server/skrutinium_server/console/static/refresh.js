// Shows what has changed, every five seconds: the same page is asked for again, and parts marked data-fresh are replaced.
// A part that holds the focus or what somebody selects is left as it is. Without this script everything works by loading again.
"use strict";
(() => {
  const EVERY = 5000;
  const bar = document.getElementById("fresh");
  const parts = () => [...document.querySelectorAll("[data-fresh]")];
  if (!bar || !parts().length) return;
  const button = bar.querySelector("button");
  const words = bar.querySelector("span");
  let stopped = false;
  let timer = 0;

  const inUse = (part) => {
    if (part.contains(document.activeElement) && document.activeElement !== document.body) return true;
    const chosen = document.getSelection();
    return Boolean(chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
  };

  const put = (old, now) => {
    if (old.innerHTML === now.innerHTML || inUse(old)) return;
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    const across = [...old.querySelectorAll(".wide")].map((one) => one.scrollLeft);
    old.replaceChildren(...now.childNodes);
    old.querySelectorAll("details").forEach((one, place) => { one.open = open[place] || one.open; });
    old.querySelectorAll(".wide").forEach((one, place) => { one.scrollLeft = across[place] || 0; });
  };

  const look = async () => {
    timer = 0;
    if (stopped) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, cache: "no-store", redirect: "error" });
        if (answer.status === 403) {
          stopped = true;
          button.hidden = true;
          words.textContent = "You are logged out: what stands here is no longer refreshed. Load the page to log in.";
          return;
        }
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of parts()) {
          const now = page.getElementById(old.id);
          if (now) put(old, now);
        }
        words.textContent = "";
        document.body.classList.remove("old");
      } catch {
        words.textContent = "The console does not answer: what stands here is old.";
        document.body.classList.add("old");
      }
    }
    next();
  };

  const next = () => { if (!stopped && !timer) timer = setTimeout(look, EVERY); };

  button.addEventListener("click", () => {
    stopped = !stopped;
    button.setAttribute("aria-pressed", String(stopped));
    clearTimeout(timer);
    timer = 0;
    words.textContent = stopped ? "Stopped: what stands here gets old." : "";
    if (!stopped) look();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !stopped) { clearTimeout(timer); look(); } });
  words.setAttribute("role", "status");
  bar.hidden = false;
  next();
})();
