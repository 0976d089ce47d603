// Follows Airflow's light or dark theme: inside a frame that of the page around it, else the one that it remembers.
// It runs before the page is drawn, so that nothing flashes.
"use strict";
(() => {
  const root = document.documentElement;
  const readTheme = () => {
    try {
      if (parent !== window) return parent.document.documentElement.classList.contains("dark") ? "dark" : "light";
      const stored = localStorage.getItem("theme");
      if (stored === "dark" || stored === "light") return stored;
    } catch {
      // The page around it is of another origin.
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  };
  const follow = () => {
    root.dataset.theme = readTheme();
    try {
      // The same background as the page around it, whatever theme an administrator has chosen.
      const colour = parent === window ? "" : parent.getComputedStyle(parent.document.body).backgroundColor;
      if (colour && colour !== "rgba(0, 0, 0, 0)") root.style.setProperty("--page", colour);
    } catch {
      // As above.
    }
  };
  follow();
  root.dataset.frame = parent === window ? "none" : "airflow";
  try {
    if (parent !== window) {
      const observer = new MutationObserver(follow);
      observer.observe(parent.document.documentElement, { attributes: true, attributeFilter: ["class"] });
    }
  } catch {
    // As above.
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);
})();
