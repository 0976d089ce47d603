// What a page of tiles does without reloading. Without this file the page still shows, filters and plays.
"use strict";

const REFRESH_MS = 10_000;
const IN_STEP_S = 0.08;
const $ = (id) => document.getElementById(id);
const say = (text) => {
  if ($("said")) $("said").textContent = text;
};

// ---- Links to Airflow's own pages. A sandboxed frame may not navigate the page around it; a link of that page may.
const leave = (link) => {
  const outer = parent.document.createElement("a");
  outer.href = link.href;
  if (link.hasAttribute("download")) outer.download = "";
  parent.document.body.append(outer);
  outer.click();
  outer.remove();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || parent === window || event.metaKey || event.ctrlKey) return;
  try {
    leave(link);
    event.preventDefault();
  } catch {
    // The page around it is of another origin; the link works as it is.
  }
});

// ---- Copy buttons.
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea"); // over plain http there is no clipboard
    field.value = text;
    field.className = "hidden";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  const label = button.textContent;
  button.textContent = "Copied";
  say(`Copied: ${button.dataset.copy}`);
  setTimeout(() => {
    button.textContent = label;
  }, 1500);
});

// ---- Times, in the reader's words and zone.
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const showTimes = () => {
  for (const time of document.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    const age_s = (date.getTime() - Date.now()) / 1000;
    const [unit, seconds] = UNITS.find(([, length]) => Math.abs(age_s) >= length) ?? UNITS.at(-1);
    time.title = date.toLocaleString();
    time.textContent = Math.abs(age_s) > 30 * 86_400 ? date.toLocaleDateString() : relative.format(Math.round(age_s / seconds), unit);
  }
};

// ---- Videos: the first frame as a poster once a tile comes near the window, and what the file itself says.
const showFacts = (video) => {
  const tile = video.closest(".tile");
  if (!tile || !video.videoWidth || video !== tile.querySelector("video")) return;
  tile.querySelector(".ratio").textContent = `${video.videoWidth}×${video.videoHeight}`;
  tile.querySelector(".duration").textContent = `${video.duration.toFixed(1).replace(/\.0$/, "")} s`;
};
// Few at a time, so that a page full of videos leaves connections for everything else.
const MAX_LOADING = 3;
const waiting = [];
let loading = 0;
const loadNext = () => {
  while (loading < MAX_LOADING && waiting.length) {
    const video = waiting.shift();
    loading += 1;
    const settle = new AbortController();
    const done = () => {
      settle.abort();
      loading -= 1;
      loadNext();
    };
    for (const event of ["loadeddata", "error", "emptied"]) video.addEventListener(event, done, { signal: settle.signal });
    video.lastElementChild?.addEventListener("error", done, { signal: settle.signal });
    video.preload = "metadata";
  }
};
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearby.unobserve(target);
      waiting.push(target);
    }
    loadNext();
  },
  { rootMargin: "300px" },
);
const showLost = (video) => {
  const lost = document.createElement("div");
  lost.className = "placeholder";
  lost.textContent = "The video cannot be loaded.";
  video.parentElement.replaceChildren(lost);
};
// A still video has one button and no controls over its first frame. Once it plays it has the browser's controls.
const addPlayButton = (video) => {
  const button = video.parentElement.querySelector(".play");
  if (!button) return;
  video.controls = false;
  button.hidden = false;
  button.addEventListener("click", () => {
    video.controls = true;
    video.focus();
    video.play().catch(() => {});
  });
  video.addEventListener("play", () => {
    video.controls = true;
    button.hidden = true;
  });
};
const watchVideos = (root) => {
  for (const video of root.querySelectorAll("video")) {
    addPlayButton(video);
    video.addEventListener("loadedmetadata", () => showFacts(video));
    video.lastElementChild?.addEventListener("error", () => showLost(video));
    video.addEventListener("play", () => {
      for (const other of document.querySelectorAll(".tiles video")) if (other !== video) other.pause();
    });
    nearby.observe(video);
  }
};

// ---- Why a task failed comes from its log, after the page.
const loadReasons = (root) => {
  for (const reason of root.querySelectorAll(".reason[data-url]")) {
    const url = reason.dataset.url;
    delete reason.dataset.url;
    fetch(url, { headers: { accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : {}))
      .then(({ reason: text }) => {
        if (text) {
          reason.textContent = text;
          reason.title = text;
        }
      })
      .catch(() => {});
  }
};

// ---- The head line, where it needs more than this page.
const loadTotals = async () => {
  const totals = $("totals");
  if (!totals?.dataset.url) return;
  const response = await fetch(totals.dataset.url);
  if (response.ok) totals.replaceChildren(...parse(await response.text()).body.childNodes);
};
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// ---- Jobs that are waiting: their tiles are replaced when something has changed.
const refresh = async () => {
  if (document.hidden || $("compare")?.open || !document.querySelector('.tile[data-state="waiting"]')) return;
  const response = await fetch(location.href);
  if (response.status === 401) location.reload();
  if (!response.ok) return;
  const page = parse(await response.text());
  const fresh = new Map([...page.querySelectorAll(".tile")].map((tile) => [tile.dataset.id, tile]));
  for (const tile of document.querySelectorAll('.tile[data-state="waiting"]')) {
    const replacement = fresh.get(tile.dataset.id);
    if (!replacement || tile.contains(document.activeElement)) continue;
    const node = document.adoptNode(replacement);
    tile.replaceWith(node);
    if (node.dataset.state !== "waiting") say(`${node.getAttribute("aria-label")}: ${node.dataset.state}`);
    watchVideos(node);
    loadReasons(node);
  }
  const [totals, freshTotals] = [$("totals"), page.getElementById("totals")];
  if (totals && freshTotals && !freshTotals.dataset.url) totals.replaceChildren(...freshTotals.childNodes);
  showTimes();
};

// ---- Two takes side by side, in step.
let picked = [];
const showPicked = () => {
  for (const tile of document.querySelectorAll(".tile")) {
    tile.querySelector(".pick")?.setAttribute("aria-pressed", String(picked.includes(tile)));
  }
  $("compare-bar").hidden = picked.length === 0;
  $("compare-count").textContent = picked.length === 2 ? "2 videos picked" : "1 video picked, pick another";
  $("compare-open").disabled = picked.length !== 2;
};
document.addEventListener("click", (event) => {
  const tile = event.target.closest(".pick")?.closest(".tile");
  if (!tile) return;
  picked = picked.includes(tile) ? picked.filter((other) => other !== tile) : [...picked, tile].slice(-2);
  showPicked();
});

const compareVideos = () => [...document.querySelectorAll("#compare video")];
const openComparison = () => {
  const figures = picked.map((tile) => {
    const figure = document.createElement("figure");
    const video = tile.querySelector("video").cloneNode(true);
    Object.assign(video, { controls: false, muted: true, loop: false, preload: "auto" });
    const caption = document.createElement("figcaption");
    caption.append(tile.querySelector("h2").cloneNode(true), ...[...tile.querySelectorAll(".facts")].slice(0, 2).map((facts) => facts.cloneNode(true)));
    figure.append(video, caption);
    return figure;
  });
  for (const video of document.querySelectorAll(".tiles video")) video.pause();
  document.querySelector(".compare-videos").replaceChildren(...figures);
  const [first, second] = compareVideos();
  first.addEventListener("timeupdate", () => {
    const length = Math.max(first.duration || 0, second.duration || 0);
    if (length) $("compare-seek").value = String(Math.round((first.currentTime / length) * 1000));
    if (!first.paused && Math.abs(first.currentTime - second.currentTime) > IN_STEP_S && !second.ended) {
      second.currentTime = first.currentTime;
    }
  });
  first.addEventListener("ended", () => showPlaying(false));
  $("compare").showModal();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
};
const showPlaying = (isPlaying) => {
  $("compare-play").textContent = isPlaying ? "Pause" : "Play";
};
const play = (isPlaying) => {
  const videos = compareVideos();
  if (isPlaying && videos[0].ended) for (const video of videos) video.currentTime = 0;
  for (const video of videos) {
    if (isPlaying) video.play().catch(() => {});
    else video.pause();
  }
  showPlaying(isPlaying);
};
const seek = (share) => {
  const length = Math.max(...compareVideos().map((video) => video.duration || 0));
  for (const video of compareVideos()) video.currentTime = Math.min(share * length, video.duration || 0);
};
if ($("compare")) {
  $("compare-open").addEventListener("click", openComparison);
  $("compare-clear").addEventListener("click", () => {
    picked = [];
    showPicked();
  });
  $("compare-play").addEventListener("click", () => play(compareVideos()[0].paused));
  $("compare-seek").addEventListener("input", (event) => seek(Number(event.target.value) / 1000));
  $("compare-close").addEventListener("click", () => $("compare").close());
  $("compare").addEventListener("close", () => document.querySelector(".compare-videos").replaceChildren());
  watchVideos(document);
  loadReasons(document);
  showTimes();
  loadTotals().catch(() => {});
  setInterval(showTimes, 5000);
  setInterval(() => refresh().catch(() => {}), REFRESH_MS);
}
