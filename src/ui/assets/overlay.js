// Counting on the live page: boxes, ids, trails, lines and figures, by the server's events.
// @ts-check
'use strict';
{
  const [svg, last, today] = [el('overlay'), el('last'), el('today')];
  const TRAIL_MS = 3000, FLASH_MS = 1500, SEARCHED_MS = 2000, CHART_MS = 30_000, ROWS_MS = 2000;
  const PARTS = ['today-head', 'today-whole', 'today-chart', 'zones', 'facts', 'count-why', 'tallies', 'rest', 'log'];
  const calm = matchMedia('(prefers-reduced-motion: reduce)');

  let lines = [], zones = [], scene, size = null, lead = 0;
  const regions = new Map(); // a searched part of the picture → when
  let spacing = 200, lookedAt = 0; // milliseconds between two detections, and when the last one came
  // Number → { class, box, velocity, at, every, trail }, as it was last seen; line → { isIn, text, until }.
  let tracks = new Map();
  const flashes = new Map();
  let named = []; // the room that names of lines and zones take

  svg.classList.remove('still');
  // A drawing of its own, as large as the picture: what is beyond it is not seen.
  const drawn = shape('g', {}), moving = shape('svg', {});
  const [trail, cases, boxes, faded, searched, hit] = ['trail', 'case', 'box', 'box dim', 'searched', 'hit'].map(name =>
    shape('path', { class: name }));
  const words = shape('g', {});
  moving.append(trail, cases, boxes, faded, words, searched);

  const place = () => {
    const f = fit(svg, size ? turnedSize(size) : [last.width, last.height]);
    return { ...f, at: point => f.at(toMine(point)), isMirrored: !myView.mirror !== !myView.flip };
  };
  const drawLines = () => {
    const f = place();
    svg.setAttribute('viewBox', `0 0 ${f.W} ${f.H}`);
    frameTo(moving, f);
    // The name of a line that was just crossed has the first claim to its room.
    named = [];
    const take = labelRoom(named), first = [...lines].sort((a, b) => +flashes.has(b.id) - +flashes.has(a.id));
    // Arrows of many lines would touch.
    const over = first.flatMap(line => lineShapes(line, f, take, lines.length <= 4 || flashes.has(line.id)));
    drawn.replaceChildren(...zones.flatMap(zone => zoneShapes(zone, f, take)), ...over, hit);
    draw();
  };

  // A box moves on with its velocity, for half of the time between two detections at most.
  const now = (track, time) => {
    const ahead = calm.matches ? 0 : Math.min(time - track.at + lead, spacing / 2) / 1000;
    const [l, t, r, b] = track.box, [x, y] = track.velocity.map(v => v * ahead);
    return [l + x, t + y, r + x, b + y];
  };

  let frame = 0;
  const draw = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    const f = place(), time = performance.now(), texts = [], take = labelRoom([...named]);
    let [paths, dims, trails, hits] = ['', '', '', ''];
    for (const [id, track] of tracks) {
      // One that the next detection missed fades, and then goes.
      const missed = (time - track.at) / track.every, isDim = missed > 1.5;
      if (missed > 2.5) { tracks.delete(id); continue; }
      const [l, t, r, b] = now(track, time), [x, y] = f.at([l, t]), [x2, y2] = f.at([r, b]);
      const outline = `M${p(x)} ${p(y)}H${p(x2)}V${p(y2)}H${p(x)}z`;
      if (isDim) dims += outline; else paths += outline;
      track.trail = track.trail.filter(point => time - point[2] < TRAIL_MS);
      const dots = [...track.trail, [(l + r) / 2, b]].map(f.at);
      if (dots.length > 1) trails += path(dots);
      const top = Math.min(y, y2);
      const text = `${track.class === 'moving' ? 'object' : track.class} ${id}`;
      const half = halfWidth(text), middle = clamp(Math.min(x, x2) + half, f.x + half, f.x + f.w - half);
      /** @type {Point[]} */
      const places = [[middle, top - 6], [middle, Math.max(y, y2) + 16]];
      const at = take(text, places.filter(([, y]) => y > f.y + 14));
      if (at) texts.push({ x: at[0] - half, y: at[1], text, isDim });
    }
    let isOver = false;
    for (const [line, flash] of flashes) {
      const own = lines.find(other => other.id === line);
      if (time > flash.until || !own) { flashes.delete(line); isOver = true; continue; }
      hits += path([f.at(own.a), f.at(own.b)]);
      hit.setAttribute('class', flash.isIn ? 'hit' : 'hit o');
    }
    if (isOver && lines.length > 4) { drawLines(); return; }
    let parts = '';
    for (const [part, at] of regions) {
      if (time - at > SEARCHED_MS) { regions.delete(part); continue; }
      const [l, t, r, b] = part.split(','), [x, y] = f.at([+l, +t]), [x2, y2] = f.at([+r, +b]);
      parts += `M${p(x)} ${p(y)}H${p(x2)}V${p(y2)}H${p(x)}z`;
    }
    searched.setAttribute('d', parts);
    trail.setAttribute('d', trails);
    cases.setAttribute('d', paths);
    boxes.setAttribute('d', paths);
    faded.setAttribute('d', dims);
    hit.setAttribute('d', hits);
    while (words.childElementCount < texts.length) words.append(shape('text', {}));
    while (words.childElementCount > texts.length) words.lastElementChild?.remove();
    texts.forEach(({ x, y, text, isDim }, i) => {
      const e = words.children[i];
      e.setAttribute('class', isDim ? 'dim' : '');
      e.setAttribute('x', p(x)); e.setAttribute('y', p(y));
      setText(e, text);
    });
    if ((tracks.size && !calm.matches) || flashes.size) frame = requestAnimationFrame(draw);
  };
  if (el('main').dataset.only === 'counts') svg.replaceChildren();
  else svg.replaceChildren(drawn, moving);
  new ResizeObserver(drawLines).observe(svg);
  on(document, 'view', drawLines);

  const takeOverlay = overlay => {
    if (!overlay.size[0]) return;
    const time = performance.now(), old = tracks;
    if (lookedAt) spacing = clamp(0.8 * spacing + 0.2 * (time - lookedAt), 33, 1000);
    lookedAt = time;
    // Nobody has a box where nothing is searched. All of the picture needs no frame.
    const [l, t, r, b] = overlay.searched ?? [];
    if (r > l && (l > 0 || t > 0 || r < 1 || b < 1)) regions.set(`${overlay.searched}`, time);
    if (String(size) !== String(overlay.size)) { size = overlay.size; drawLines(); }
    // One that is out of sight stays as it was last seen.
    tracks = new Map(overlay.tracks.flatMap(([id, kind, , l, t, r, b, vx, vy, inSight]) => {
      const was = old.get(id), trail = was?.trail ?? [];
      if (!inSight) return was ? [[id, was]] : [];
      trail.push([(l + r) / 2, b, time]);
      const every = clamp(was ? time - was.at : spacing, spacing, 4 * spacing);
      return [[id, { class: kind, box: [l, t, r, b], velocity: [vx, vy], at: time, every, trail }]];
    }));
    if (!frame) draw();
    for (const [id, inside] of overlay.zones) {
      setText(document.querySelector(`[data-zone="${id}"] b`), inside);
    }
  };

  const toggle = /** @type {Part} */ (document.querySelector('#boxes')); // not where figures alone are shown
  const setBoxes = isOn => {
    toggle?.setAttribute('aria-pressed', isOn);
    moving.setAttribute('display', isOn ? 'inline' : 'none');
  };
  setBoxes(recall('boxes') !== false);
  on(toggle, 'click', () => {
    const isOn = toggle.getAttribute('aria-pressed') !== 'true';
    setBoxes(isOn);
    store('boxes', isOn);
  });

  const setText = (e, text) => { if (e && e.textContent !== `${text}`) e.textContent = text; };
  let since;
  const takeTally = tally => {
    const is = tally.lines.map(line => line.since).join();
    if (since !== undefined && since !== is) refresh(false);
    since = is;
    if (scene !== tally.scene) { scene = tally.scene; takeLines(drawing); }
    const rows = [...el('tallies').children, ...el('rest').children];
    const isSame = rows.map(li => li.dataset.line).join() === tally.lines.map(line => line.line_id).join();
    if (!isSame && Date.now() - chartAt > 1000) refresh(false);
    const sum = { in: 0, out: 0, inside: 0 };
    tally.lines.forEach((line, i) => {
      const figures = isSame ? [...rows[i].children].slice(1) : [];
      ['in', 'out'].forEach((way, side) => setText(figures[side]?.children[0], whole(line[way])));
      for (const key in sum) sum[key] += line[key];
    });
    for (const key in sum) put(`today-${key}`, whole(sum[key]));
  };

  // Why it does not count is told where there is no line, too.
  let drawing = { items: [], zones: [] }, listed, isWrong;
  const sections = () => {
    el('nothing').hidden = isWrong || !today.hidden;
    el('facts').hidden = !isWrong && today.hidden;
  };
  const takeLines = all => {
    drawing = all;
    const isHere = own => !own.deleted && (!own.scene || !scene || own.scene === scene);
    [lines, zones] = [all.items.filter(isHere), all.zones.filter(isHere)];
    const is = zones.map(zone => [zone.id, zone.name, zone.exclude]).join(';');
    if (listed !== undefined && listed !== is) refresh(false);
    listed = is;
    today.hidden = el('crossed').hidden = !lines.length;
    sections();
    drawLines();
  };

  const log = el('log');
  const newestOf = list => +(list?.firstElementChild.dataset.id ?? 0);
  let isChartOld = false, crossed = 0, timer = 0;
  const takeCrossing = crossing => {
    // After a reconnect come those of every scene that were missed.
    if (scene && crossing.scene !== scene) return;
    if (crossing.id <= Math.max(crossed, newestOf(log))) return;
    crossed = crossing.id;
    flashes.set(crossing.line_id, { isIn: crossing.direction === 'in', until: performance.now() + FLASH_MS });
    drawLines();
    timer ||= setTimeout(() => { timer = 0; refresh(false); }, Math.max(0, ROWS_MS - (Date.now() - chartAt)));
  };

  // The chart and the list are the server's.
  let chartAt = Date.now();
  const refresh = async isAll => {
    isChartOld = false;
    chartAt = Date.now();
    try {
      const page = await freshPage('./');
      for (const id of PARTS) {
        const fresh = page.getElementById(id);
        // What has just crossed may be newer than the page, and nothing is taken from under the keyboard.
        if (id === 'log' && !isAll) {
          isChartOld = newestOf(fresh) < crossed || log.contains(document.activeElement);
          if (isChartOld) continue;
        }
        if (fresh) { if (id === 'zones') el(id).hidden = fresh.hidden; el(id).replaceChildren(...fresh.childNodes); }
      }
      drawLines();
    } catch { /* the next one will do */ }
  };
  setInterval(() => {
    if (!document.hidden && (isChartOld || Date.now() - chartAt > 10 * CHART_MS)) refresh(false);
  }, CHART_MS);

  let counted; // how it stood when it was last heard of: the words are the server's
  on(document, 'state', ({ detail }) => {
    if (detail?.state !== 'live') { tracks.clear(); draw(); }
    const counting = detail?.counting;
    if (!counting) return;
    lead = counting.detection_ms || 0;
    isWrong = counting.state === 'fault';
    sections();
    const share = counting.detections_skipped * 100 / counting.detections | 0;
    const skipped = share ? `, ${share} % skipped without motion` : '';
    put('count-rate', counting.detections_per_second > 0
      ? `${counting.detections_per_second.toFixed(1)} fps (${counting.detection_ms.toFixed(0)} ms)${skipped}` : 'idle');
    const is = [counting.state, counting.reason, counting.backend, counting.model, counting.notes].join();
    if (counted !== undefined && counted !== is) refresh(false);
    counted = is;
  });

  listen({ overlay: takeOverlay, crossing: takeCrossing, tally: takeTally, lines: takeLines }, () => refresh(true));
}
