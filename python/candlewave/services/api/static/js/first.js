// Runs before the first paint, so that a chosen theme does not flash.
try {
  const chosen = localStorage.getItem("candlewave.theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is forbidden here: the system's theme it is.
}
