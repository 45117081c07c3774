"use strict";
(() => {
  // Tables that sort: a button in each heading.
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const ascending = heading.getAttribute("aria-sort") !== "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          const numbers = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
          return numbers ? x - y : x.localeCompare(y, undefined, { numeric: true });
        };
        body.append(...[...body.rows].sort((a, b) => (ascending ? compare(a, b) : compare(b, a))));
      });
    });
  }

  const store = document.getElementById("points");
  if (!store) return;
  const points = JSON.parse(store.textContent);
  const figures = [...document.querySelectorAll(".maps figure")];
  const tabs = [...document.querySelectorAll(".tabs button")];
  const legend = [...document.querySelectorAll(".legend button")];
  const sheet = document.getElementById("sheet");
  const tip = document.getElementById("tip");
  const canvas = tip.querySelector("canvas");
  const told = document.getElementById("told");

  const show = (chosen) => {
    figures.forEach((figure) => (figure.hidden = figure.dataset.map !== chosen));
    tabs.forEach((tab) => tab.setAttribute("aria-pressed", tab.dataset.map === chosen));
    tip.hidden = true;
  };
  tabs.forEach((tab) => tab.addEventListener("click", () => show(tab.dataset.map)));
  if (tabs.length) show(tabs[tabs.length - 1].dataset.map);

  const picked = new Set();
  legend.forEach((button) =>
    button.addEventListener("click", () => {
      const cluster = button.dataset.cluster;
      if (!picked.delete(cluster)) picked.add(cluster);
      button.setAttribute("aria-pressed", picked.has(cluster));
      for (const map of document.querySelectorAll(".map")) {
        map.classList.toggle("picked", picked.size > 0);
        map.querySelectorAll("[data-cluster]").forEach((part) => part.classList.toggle("on", picked.has(part.dataset.cluster)));
      }
    }),
  );

  for (const figure of figures) {
    const map = figure.querySelector(".map");
    const ring = map.querySelector(".ring");
    const places = [];
    for (const group of map.querySelectorAll("g[data-from]")) {
      [...group.children].forEach((mark, step) => {
        places[Number(group.dataset.from) + step] = [mark.x.baseVal.value, mark.y.baseVal.value];
      });
    }
    let here = -1;

    const nearest = (x, y, within, fits = () => true) => {
      let best = -1;
      let least = within * within;
      places.forEach(([px, py], index) => {
        const distance = (px - x) ** 2 + (py - y) ** 2;
        const visible = picked.size === 0 || picked.has(String(points.labels[index]));
        if (distance < least && visible && fits(px, py, index)) [best, least] = [index, distance];
      });
      return best;
    };

    const hide = () => {
      here = -1;
      tip.hidden = true;
      ring.setAttribute("cx", -99);
    };

    const reveal = (index, aloud) => {
      here = index;
      const [x, y] = places[index];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      const text = `cluster ${points.labels[index]}, confidence ${points.confidence[index].toFixed(2)}`;
      const bidi = document.createElement("bdi");
      bidi.textContent = points.names[index];
      tip.querySelector("p").replaceChildren(bidi, document.createElement("br"), text);
      canvas.hidden = !(sheet && points.size);
      if (!canvas.hidden) {
        const [w, h] = points.size;
        const scale = Math.max(1, Math.round(112 / Math.max(w, h)));
        [canvas.width, canvas.height] = [w * scale, h * scale];
        const pen = canvas.getContext("2d");
        pen.imageSmoothingEnabled = false;
        const [column, row] = [index % points.columns, Math.floor(index / points.columns)];
        pen.drawImage(sheet, column * w, row * h, w, h, 0, 0, w * scale, h * scale);
      }
      tip.hidden = false;
      const frame = map.getBoundingClientRect();
      const area = tip.parentElement.getBoundingClientRect();
      const ratio = Math.min(frame.width / map.viewBox.baseVal.width, frame.height / map.viewBox.baseVal.height);
      const left = frame.left - area.left + (frame.width - map.viewBox.baseVal.width * ratio) / 2 + x * ratio;
      const top = frame.top - area.top + (frame.height - map.viewBox.baseVal.height * ratio) / 2 + y * ratio;
      const right = left + 14 + tip.offsetWidth <= area.width;
      tip.style.left = `${Math.max(0, right ? left + 14 : left - 14 - tip.offsetWidth)}px`;
      tip.style.top = `${Math.max(0, Math.min(top + 14, area.height - tip.offsetHeight))}px`;
      if (aloud) told.textContent = `${points.names[index]}, ${text}`;
    };

    const locate = (event) => {
      const matrix = map.getScreenCTM();
      return matrix ? new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse()) : null;
    };
    const follow = (event) => {
      const point = locate(event);
      // Within 12 pixels of the screen, however small the map is drawn.
      const index = point ? nearest(point.x, point.y, 12 / (map.getScreenCTM().a || 1)) : -1;
      if (index < 0) hide();
      else if (index !== here || tip.hidden) reveal(index, false);
    };
    map.addEventListener("pointermove", follow);
    map.addEventListener("pointerdown", follow);
    map.addEventListener("pointerleave", hide);
    map.addEventListener("blur", hide);
    map.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const [x, y] = here < 0 ? [map.viewBox.baseVal.width / 2, map.viewBox.baseVal.height / 2] : places[here];
      const ahead = (px, py, index) => {
        const [dx, dy] = [px - x, py - y];
        const along = dx * step[0] + dy * step[1];
        return index !== here && along > 0 && along >= Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
      };
      const next = here < 0 ? nearest(x, y, Infinity) : nearest(x, y, Infinity, ahead);
      if (next >= 0) reveal(next, true);
    });
  }
})();
