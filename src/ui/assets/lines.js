// The line editor: ends and the whole line are dragged on the still picture, arrow keys move an end, the
// line is saved without leaving the page, and what it would have counted in the last minute is shown.
// Without this file the form does the same by numbers.
'use strict';
{
  const main = el('main'), svg = el('draw'), last = el('last'), form = el('form');
  const { line: id, pinned } = main.dataset;
  let version = main.dataset.version, told = +version; // of the form; of the last change that was heard of
  const MINUTE_MS = 60_000, STEP = 0.005, FAR = 0.05, LEAST_DRAWN = 0.03;

  let others = [], size = null, held = null, from = null, isDirty = false;
  const field = name => form.elements[name];
  const percent = v => (v * 100).toFixed(1);
  // An end may lie up to a picture beyond the edge; dragged ones stay on it.
  const fraction = name => clamp(Math.round(+field(name).value * 10) / 1000 || 0, -1, 2);
  const ends = form ? { a: [fraction('ax'), fraction('ay')], b: [fraction('bx'), fraction('by')] } : {};

  // The line as the form has it.
  const draft = () => ({
    name: field('name').value.trim(), a: ends.a, b: ends.b,
    in_name: field('in_name').value.trim(), out_name: field('out_name').value.trim(),
    classes: [...form.querySelectorAll('[name=class]:checked')].map(tick => tick.value),
    anchor: field('anchor').value, recrossing: field('recrossing').value,
  });

  // ---- the drawing

  const dim = shape('g', { class: 'dim' }), walked = shape('svg', {}), trails = shape('path', { class: 'trail' });
  const own = shape('g', {}), dots = shape('g', {}), pull = shape('path', { class: 'pull' });
  const grab = end => {
    const g = shape('g', { class: 'grab', 'data-end': end, tabindex: 0, role: 'button', 'aria-label': `End ${end}; arrow keys move it` });
    g.append(shape('circle', { class: 'reach', r: 28 }), shape('circle', { r: 9 }), shape('text', { x: 16, y: 5 }, end));
    return g;
  };
  const grabs = { a: grab('a'), b: grab('b') };

  const place = () => fit(svg, size ?? [last.width, last.height]);
  const paint = () => {
    const f = place();
    svg.setAttribute('viewBox', `0 0 ${f.W} ${f.H}`);
    frameTo(walked, f);
    dim.replaceChildren(...others.filter(line => pinned === 'true' || `${line.id}` !== id).flatMap(line => lineShapes(line, f)));
    if (!form) return;
    own.replaceChildren(...lineShapes({ ...draft(), name: '' }, f)); // the ends have their own names
    const [a, b] = [f.at(ends.a), f.at(ends.b)];
    pull.setAttribute('d', `M${p(a[0])} ${p(a[1])}L${p(b[0])} ${p(b[1])}`);
    grabs.a.setAttribute('transform', `translate(${p(a[0])} ${p(a[1])})`);
    grabs.b.setAttribute('transform', `translate(${p(b[0])} ${p(b[1])})`);
    rehearse();
  };
  const putEnds = () => {
    for (const end of ['a', 'b']) [field(end + 'x').value, field(end + 'y').value] = ends[end].map(percent);
    changed();
  };
  const changed = () => {
    isDirty = true;
    el('saved').classList.remove('on');
    if (location.hash) history.replaceState(null, '', location.pathname + location.search);
    put('said', '');
    paint();
  };

  const point = e => {
    const box = svg.getBoundingClientRect(), f = place();
    return [(e.clientX - box.left - f.x) / f.w, (e.clientY - box.top - f.y) / f.h];
  };
  // Moves by as much as leaves all of it on the picture.
  const move = (which, [dx, dy]) => {
    const by = (d, axis) => {
      const at = [...which].map(end => ends[end][axis]);
      return clamp(d, -Math.min(...at), 1 - Math.max(...at));
    };
    const step = [by(dx, 0), by(dy, 1)];
    for (const end of which) ends[end] = ends[end].map((v, axis) => v + step[axis]);
  };
  const round = () => { for (const end of ['a', 'b']) ends[end] = ends[end].map(v => Math.round(v * 1000) / 1000); };

  if (form) {
    svg.classList.add('live');
    if (!id) svg.classList.add('fresh');
    walked.append(trails);
    svg.replaceChildren(dim, walked, own, dots, pull, grabs.a, grabs.b);
    let before = null, pointer = null;
    const heldBy = target => target.closest('.grab')?.dataset.end ?? (target === pull ? 'ab' : !id ? 'new' : null);
    // Parts of an svg heed no touch-action.
    svg.addEventListener('touchstart', e => { if (heldBy(e.target)) e.preventDefault(); }, { passive: false });
    svg.addEventListener('pointerdown', e => {
      if (held || !e.isPrimary || e.button) return;
      const g = e.target.closest('.grab');
      held = heldBy(e.target);
      if (!held) return;
      e.preventDefault();
      [from, before, pointer] = [point(e), structuredClone(ends), e.pointerId];
      svg.setPointerCapture(pointer);
      if (held === 'new') ends.a = ends.b = from.map(v => clamp(v, 0, 1));
      else g?.focus();
    });
    svg.addEventListener('pointermove', e => {
      if (!held || e.pointerId !== pointer) return;
      const to = point(e);
      if (held === 'new') ends.b = to.map(v => clamp(v, 0, 1));
      else if (held === 'ab') { move(held, [to[0] - from[0], to[1] - from[1]]); from = to; }
      else { ends[held] = [0, 1].map(i => clamp(before[held][i] + to[i] - from[i], 0, 1)); }
      putEnds();
    });
    const release = e => {
      if (!held || e.pointerId !== pointer) return;
      // A tap draws no line.
      const isTap = held === 'new' && Math.hypot(ends.b[0] - ends.a[0], ends.b[1] - ends.a[1]) < LEAST_DRAWN;
      if (isTap || e.type === 'pointercancel') Object.assign(ends, before);
      held = null;
      round();
      putEnds();
    };
    for (const type of ['pointerup', 'pointercancel']) svg.addEventListener(type, release);

    let tellTimer = 0;
    svg.addEventListener('keydown', e => {
      const end = e.target.dataset?.end, step = e.shiftKey ? FAR : STEP;
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
      if (!end || !way) return;
      e.preventDefault();
      move(end, way.map(v => v * step));
      round();
      putEnds();
      clearTimeout(tellTimer);
      tellTimer = setTimeout(() => put('news', `End ${end}: ${percent(ends[end][0])} % from the left, ${percent(ends[end][1])} % from the top`), 400);
    });
    form.addEventListener('input', e => {
      if (/^[ab][xy]$/.test(e.target.name) && e.target.value !== '') ends[e.target.name[0]]['xy'.indexOf(e.target.name[1])] = fraction(e.target.name);
      changed();
    });
    el('flip').addEventListener('click', e => {
      e.preventDefault();
      [ends.a, ends.b] = [ends.b, ends.a];
      putEnds();
    });
  } else {
    svg.replaceChildren(dim);
  }
  svg.classList.remove('still');
  el('picture').addEventListener('error', () => { el('over').hidden = false; });
  if (el('picture').complete && !el('picture').naturalWidth) el('over').hidden = false;
  el('picture').addEventListener('load', e => {
    // Its own size tells the shape, where nobody knew it before.
    [last.width, last.height] = [e.target.naturalWidth, e.target.naturalHeight];
    paint();
  });

  // ---- what it would have counted: the tracks this page has heard of, over a minute

  const tracks = new Map(); // number → { class, points: [[time, left, top, right, bottom], …] }
  let firstAt = null;
  const takeOverlay = overlay => {
    if (!overlay.size[0]) return; // nothing has been looked at yet
    const time = performance.now();
    firstAt ??= time;
    if (String(size) !== String(overlay.size)) size = overlay.size;
    for (const [number, kind, , l, t, r, b, , , inSight] of overlay.tracks) {
      if (!inSight) continue;
      if (!tracks.has(number)) tracks.set(number, { points: [] });
      const track = tracks.get(number);
      track.class = kind;
      track.points.push([time, l, t, r, b]);
    }
    for (const [number, track] of tracks) {
      track.points = track.points.filter(point => time - point[0] < MINUTE_MS);
      if (!track.points.length) tracks.delete(number);
    }
    if (!held) paintSoon();
  };
  let frame = 0;
  const paintSoon = () => { frame ||= requestAnimationFrame(() => { frame = 0; drawTrails(); if (form) rehearse(); }); };
  const drawTrails = () => {
    const f = place();
    trails.setAttribute('d', [...tracks.values()].map(({ points }) => points.length < 2 ? '' :
      'M' + points.map(([, l, , r, b]) => f.at([(l + r) / 2, b])).map(([x, y]) => `${p(x)} ${p(y)}`).join('L')).join(''));
  };

  const ANCHORS = {
    bottom: (l, t, r, b) => [[(l + r) / 2, b]], center: (l, t, r, b) => [[(l + r) / 2, (t + b) / 2]],
    top: (l, t, r) => [[(l + r) / 2, t]], left: (l, t, r, b) => [[l, (t + b) / 2]], right: (l, t, r, b) => [[r, (t + b) / 2]],
    box: (l, t, r, b) => [[l, t], [r, t], [l, b], [r, b]],
  };
  // Where a track would have crossed `line`: [[x, y], is in] each. A sketch of what the counter does:
  // without its patience for boxes that tremble on the line.
  const crossings = (line, points, f) => {
    const [a, b] = [f.at(line.a), f.at(line.b)], along = [b[0] - a[0], b[1] - a[1]];
    const side = ([x, y]) => Math.sign(along[0] * (y - a[1]) - along[1] * (x - a[0]));
    const isAtEdge = end => end.some(v => v < 0.005 || v > 0.995);
    const found = [];
    let sure = null; // side and place when last all of the anchor was on one side
    for (const [, ...box] of points) {
      const anchor = ANCHORS[line.anchor](...box).map(f.at), sides = anchor.map(side);
      if (!sides[0] || sides.some(s => s !== sides[0])) continue;
      const at = [0, 1].map(i => anchor.reduce((sum, point) => sum + point[i], 0) / anchor.length);
      if (sure && sure.side !== sides[0]) {
        const way = [at[0] - sure.at[0], at[1] - sure.at[1]], turn = along[0] * way[1] - along[1] * way[0];
        const u = turn ? ((sure.at[0] - a[0]) * way[1] - (sure.at[1] - a[1]) * way[0]) / turn : -1;
        if ((u >= 0 || isAtEdge(line.a)) && (u <= 1 || isAtEdge(line.b))) {
          found.push([[a[0] + u * along[0], a[1] + u * along[1]], sides[0] < 0]);
          if (line.recrossing === 'once') return found;
        }
      }
      sure = { side: sides[0], at };
    }
    return found;
  };
  const rehearse = () => {
    const line = draft(), f = place(), sum = { in: 0, out: 0 }, circles = [];
    for (const track of tracks.values()) {
      if (line.classes.length && !line.classes.includes(track.class)) continue;
      for (const [[x, y], isIn] of crossings(line, track.points, f)) {
        sum[isIn ? 'in' : 'out']++;
        circles.push(shape('circle', { class: isIn ? 'seen i' : 'seen o', cx: p(x), cy: p(y), r: 6 }));
      }
    }
    dots.replaceChildren(...circles);
    put('would-in', `${sum.in}`); put('would-out', `${sum.out}`);
    const seconds = firstAt === null ? 0 : Math.min(60, Math.round((performance.now() - firstAt) / 1000));
    put('trial-why', firstAt === null ? 'Nothing is looked at yet: that begins when a line is saved.'
      : `Since you opened this page: ${seconds} s, ${tracks.size} ${tracks.size === 1 ? 'track' : 'tracks'}. Dots mark where. `
        + (id ? (isDirty ? 'Until you save, the old line counts.' : '') : 'It counts once it is saved.'));
  };

  // ---- saving

  let isPlaced = false, isSending = false;
  const reload = () => {
    const link = Object.assign(document.createElement('a'), { href: `lines?line=${id}`, textContent: 'Load it as it is now' });
    el('said').append(' ', link);
  };
  const takeLines = ({ items }) => {
    others = items.filter(line => !line.deleted);
    const mine = id && others.find(line => `${line.id}` === id);
    if (form && id && !isSending) {
      if (!mine) put('said', 'This line has just been deleted by somebody else.');
      else if (mine.version > told) { told = mine.version; put('said', 'Somebody else has just changed this line.'); reload(); }
    }
    // The form has tenths of a per cent: a line that is only renamed stays to the last digit where it is.
    if (form && mine?.version === +version && !isPlaced && !isDirty) Object.assign(ends, { a: [...mine.a], b: [...mine.b] });
    isPlaced = true;
    paint();
  };

  const send = async (method, body) => {
    isSending = true;
    el('save').disabled = true;
    put('said', '');
    try {
      const headers = { 'Content-Type': 'application/json' };
      if (version) headers['If-Match'] = `"${version}"`;
      const answer = await fetch('api/v1/lines' + (id ? '/' + id : ''), { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
      if (answer.ok) {
        version = (answer.headers.get('ETag') || '').replace(/^W\/|"/g, '');
        told = +version;
        return answer;
      }
      const problem = await answer.json().catch(() => ({}));
      if (answer.status === 412) {
        put('said', 'Somebody else has changed this line meanwhile. Yours is not saved.');
        reload();
      } else {
        put('said', `Not saved: ${sentence(problem.detail || `the server answered ${answer.status}`)} ${sentence(problem.hint)}`.trim());
      }
    } catch (e) {
      put('said', `Not saved: ${e.name === 'TimeoutError' ? 'no answer in 10 s' : e.message}.`);
    } finally {
      isSending = false;
      el('save').disabled = false;
    }
    return null;
  };
  form?.addEventListener('submit', async e => {
    e.preventDefault();
    if (e.submitter?.value === 'delete') {
      if (await send('DELETE')) location.assign('lines');
      return;
    }
    const body = draft();
    const answer = await send(id ? 'PUT' : 'POST', body);
    if (!answer) return;
    const line = await answer.json();
    if (!id) { location.assign(`lines?line=${line.id}#saved`); return; }
    form.elements.version.value = version;
    isDirty = false;
    el('saved').classList.add('on');
    put('title', line.name);
    const name = main.querySelector('[aria-current=true]');
    if (name) name.textContent = line.name;
    put('news', 'Saved. It counts from now on.');
    paint();
  });
  el('trial')?.classList.remove('js');

  const takeTally = ({ lines }) => {
    for (const line of lines) {
      for (const way of ['in', 'out']) {
        const cell = main.querySelector(`[data-${way}="${line.line_id}"]`);
        if (cell) cell.textContent = line[way];
      }
    }
  };
  new ResizeObserver(() => { paint(); drawTrails(); }).observe(svg);
  listen({ overlay: takeOverlay, lines: takeLines, tally: takeTally });
}
