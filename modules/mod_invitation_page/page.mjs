/** What the page has besides where JavaScript runs: a QR code of its own address, and times as people there write them. */
import { renderSVG } from "./uqr.mjs";

const code = document.getElementById("code");
if (code) {
  const svg = renderSVG(location.href, { border: 2 });
  code.querySelector("img").src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  code.hidden = false;
}
for (const time of document.querySelectorAll("time"))
  time.textContent = new Date(time.dateTime).toLocaleString(navigator.language, {
    dateStyle: "long",
    timeStyle: "short",
  });
