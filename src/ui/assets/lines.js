// The editor of lines and zones on the still picture. Without this file the forms do the same by numbers.
// @ts-check
'use strict';
{
  const main = el('main'), svg = el('draw'), last = el('last'), form = el('form');
  const { kind, id } = main.dataset, isZone = kind !== 'line';
  const MINUTE_MS = 60_000, STEP = 0.005, FAR = 0.05, LEAST_DRAWN = 0.03, RIM = 14, MOST_CORNERS = 32, FRESH_MS = 800;

  let version = +main.dataset.version, size = null, held = null, from = null, chosen = 0;
  let isDirty = false, isDrawing = false;
  let laid = 0; // corners of the zone that clicks are drawing
  let freshMs = 0; // when a click last added a corner
  const field = name => form.elements[name];
  const percent = v => (v * 100).toFixed(1);
  // A place may lie up to a picture beyond the edge; dragged ones stay on it.
  const fraction = text => clamp(Math.round(+text.replace(',', '.') * 10) / 1000 || 0, -1, 2);
  const called = i => isZone ? `Corner ${i + 1}` : `End ${'ab'[i]}`;

  const fields = form && !isZone ? ['a', 'b'].map(end => [field(end + 'x'), field(end + 'y')]) : [];
  const read = () => isZone
    ? field('corners').value.trim().split('\n').map(row => {
      const [x = '', y = ''] = row.trim().split(/[\s;]+/);
      return [fraction(x), fraction(y)];
    })
    : fields.map(end => end.map(one => fraction(one.value)));
  let points = form ? read() : [];
  const ticked = () => [...form.querySelectorAll('[name=classes]:checked')].map(tick => tick.value);
  const draft = () => isZone ? { points, name: '', exclude: field('exclude').value } : {
    name: '', a: points[0], b: points[1], in_name: field('in_name').value.trim(), anchor: field('anchor').value,
    recrossing: field('recrossing').value,
  };

  const others = el('others'), walked = shape('svg', {}), trails = shape('path', { class: 'trail' });
  const own = shape('g', {}), dots = shape('g', {}), pull = shape('path', { class: 'pull' });
  const rubber = shape('path', { class: 'trail' });
  const grab = i => {
    const keys = isZone ? ', Enter adds one after it, Delete removes it' : '';
    const label = `${called(i)}; arrow keys move it${keys}`, end = isZone ? i : 'ab'[i];
    const g = shape('g', { class: 'grab', 'data-end': end, tabindex: 0, role: 'button', 'aria-label': label });
    const letter = shape('text', { y: 5 }, isZone ? '' : end);
    g.append(shape('circle', { class: 'reach', r: 28 }), shape('circle', { r: 9 }), letter);
    return g;
  };
  let grabs = [];

  const place = () => fit(svg, size ?? [last.width, last.height]);
  const paint = () => {
    const f = place();
    svg.setAttribute('viewBox', `0 0 ${f.W} ${f.H}`);
    frameTo(walked, f);
    if (!form) return;
    if (grabs.length !== points.length) {
      grabs = points.map((_, i) => grabs[i] ?? grab(i));
      svg.replaceChildren(others, walked, own, dots, rubber, pull, ...grabs);
    }
    own.replaceChildren(...(isZone ? zoneShapes : lineShapes)(/** @type {any} */ (draft()), f));
    const ats = points.map(f.at);
    pull.setAttribute('d', path(ats) + (isZone ? 'z' : ''));
    grabs.forEach((g, i) => {
      // One at the edge of the picture stands a little inside, with its letter.
      const x = clamp(ats[i][0], RIM, f.W - RIM), y = clamp(ats[i][1], RIM, f.H - RIM);
      g.setAttribute('transform', `translate(${p(x)} ${p(y)})`);
      g.lastChild.setAttribute('x', x > f.W - 40 ? -26 : 16);
    });
    rehearse();
  };
  // What is wrong is said at its field, or under the picture.
  const say = (words, link, at) => {
    form.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
    el('saved').hidden = true;
    put('said', at ? '' : words);
    put('wrong', at ? words : '');
    if (at) {
      at.after(el('wrong'));
      at.setAttribute('aria-invalid', true);
      at.setAttribute('aria-describedby', 'wrong');
      at.closest('details')?.setAttribute('open', '');
      at.focus();
    }
    if (words) (at?.parentElement ?? el('said')).scrollIntoView({ block: 'nearest' });
    if (link) el('said').append(' ', Object.assign(make('a', '', 'Load it as it is now'), { href: link }));
  };
  const changed = () => {
    isDirty = true;
    say('');
    paint();
  };
  const putPoints = () => {
    if (isZone) field('corners').value = points.map(at => at.map(percent).join(' ')).join('\n');
    else points.forEach((at, i) => at.forEach((v, axis) => { fields[i][axis].value = percent(v); }));
    changed();
  };

  const point = e => {
    const box = svg.getBoundingClientRect(), f = place();
    return [(e.clientX - box.left - f.x) / f.w, (e.clientY - box.top - f.y) / f.h];
  };
  const fine = v => Math.round(v * 1000) / 1000;
  // Moves by as much as leaves all of it on the picture.
  const move = (which, by) => {
    const step = by.map((d, axis) => {
      const at = which.map(i => points[i][axis]);
      return clamp(d, Math.min(0, -Math.min(...at)), Math.max(0, 1 - Math.max(...at)));
    });
    for (const i of which) points[i] = points[i].map((v, axis) => fine(v + step[axis]));
  };

  const before = [];
  const remember = () => { before.push(structuredClone(points)); };
  const takeBack = () => {
    if (!before.length) return;
    points = before.pop();
    held = null;
    putPoints();
    put('news', 'Taken back.');
  };
  // Drawing is a mode: otherwise a swipe over the picture scrolls the page.
  const setDrawing = isOn => {
    isDrawing = isOn;
    svg.classList.toggle('fresh', isOn);
    el('start').setAttribute('aria-pressed', isOn);
    if (isOn) put('news', isZone ? 'Click the corners, or drag a rectangle.' : 'Draw on the picture, from end to end.');
  };

  const told = words => put('news', `${words} ${points.length} corners.`);
  const apart = (one, other) => {
    const f = place();
    return Math.hypot((one[0] - other[0]) * f.w, (one[1] - other[1]) * f.h);
  };
  const stopLaying = words => {
    laid = 0;
    rubber.setAttribute('d', '');
    setDrawing(false);
    putPoints();
    told(words);
  };
  const cancel = () => {
    points = before.pop();
    stopLaying('Taken back.');
  };
  // Enter, a second click on the same place, or the first corner closes it.
  const lay = at => {
    const isAgain = laid && apart(at, points.at(-1)) < RIM;
    if (laid > 2 && (isAgain || laid === MOST_CORNERS || apart(at, points[0]) < RIM)) { stopLaying('Closed.'); return; }
    if (isAgain) return;
    if (!laid) {
      remember();
      points = [];
      setDrawing(true);
    }
    laid = points.push(at);
    putPoints();
    put('news', `Corner ${laid}.${laid > 2 ? ' Enter closes the zone.' : ''}`);
  };
  const addAfter = (i, at) => {
    if (points.length === MOST_CORNERS) return;
    const b = points[(i + 1) % points.length];
    remember();
    points.splice(i + 1, 0, at ?? points[i].map((v, axis) => fine((v + b[axis]) / 2)));
    putPoints();
    chosen = i + 1;
    told('Corner added.');
  };
  const removeCorner = i => {
    if (points.length < 4) { told('A zone needs 3.'); return; }
    remember();
    points.splice(i, 1);
    putPoints();
    chosen = Math.min(i, points.length - 1);
    told('Corner removed.');
  };
  // The side of the outline next to a place: the number of its first corner.
  const sideAt = at => {
    const far = points.map((a, i) => {
      const b = points[(i + 1) % points.length];
      return apart(a, at) + apart(at, b) - apart(a, b);
    });
    return far.indexOf(Math.min(...far));
  };

  if (form) {
    svg.classList.add('live');
    el('start').hidden = el('how-js').hidden = false;
    on(el('start'), 'click', () => {
      if (laid > 2) stopLaying('Closed.'); else if (laid) cancel(); else setDrawing(!isDrawing);
    });
    walked.append(trails);
    let pointer = null, timer = 0;
    // What a pointer takes hold of: the numbers of ends or corners, or a new one.
    const heldBy = (target, isTouch) => {
      const g = target.closest('.grab');
      if (isDrawing) return 'new';
      if (g) return [grabs.indexOf(g)];
      if (!id && !isTouch && target !== pull) return 'new';
      return target === pull && !isTouch ? points.map((_, i) => i) : null;
    };
    // Parts of an svg heed no touch-action.
    on(svg, 'touchstart', e => { if (heldBy(e.target, true)) e.preventDefault(); }, { passive: false });
    on(svg, 'pointerdown', e => {
      if (held || !e.isPrimary || e.button) return;
      held = heldBy(e.target, e.pointerType === 'touch');
      if (!held) return;
      e.preventDefault();
      remember();
      [from, pointer] = [point(e), e.pointerId];
      svg.setPointerCapture(pointer);
      if (held !== 'new') e.target.closest('.grab')?.focus();
    });
    on(svg, 'pointermove', e => {
      const to = point(e);
      if (laid) rubber.setAttribute('d', path([points.at(-1), to].map(place().at)));
      if (laid || !held || e.pointerId !== pointer) return;
      if (held === 'new') {
        const [[x, y], [X, Y]] = [from, to].map(at => at.map(v => fine(clamp(v, 0, 1))));
        points = isZone ? [[x, y], [X, y], [X, Y], [x, Y]] : [[x, y], [X, Y]];
      } else {
        points = structuredClone(before.at(-1));
        move(held, [to[0] - from[0], to[1] - from[1]]);
      }
      putPoints();
    });
    const release = e => {
      if (!held || e.pointerId !== pointer) return;
      // A tap moves nothing: it lays a corner, or adds one to an outline.
      const was = before.at(-1), isNew = held === 'new', isUp = e.type === 'pointerup';
      const at = point(e).map(v => fine(clamp(v, 0, 1)));
      const isTap = Math.hypot(at[0] - from[0], at[1] - from[1]) < (isNew ? LEAST_DRAWN : STEP);
      const isMoved = String(points) !== String(was), isOutline = isZone && !isNew && held.length > 1;
      held = null;
      if (isMoved && !isTap && isUp) {
        if (isNew) setDrawing(false);
        return;
      }
      points = before.pop();
      if (isMoved) putPoints();
      if (!isUp || !(isTap || laid)) return;
      if (isZone && isNew) lay(at); else if (isOutline) addAfter(sideAt(at), at); else return;
      freshMs = e.timeStamp;
    };
    for (const type of ['pointerup', 'pointercancel']) on(svg, type, release);

    on(svg, 'dblclick', e => {
      const i = grabs.indexOf(e.target.closest('.grab'));
      if (isZone && !laid && i >= 0 && e.timeStamp - freshMs > FRESH_MS) removeCorner(i);
    });
    on(svg, 'keydown', e => {
      const i = grabs.indexOf(e.target), step = e.shiftKey ? FAR : STEP;
      if (isZone && i >= 0 && !laid && ['Enter', 'Delete', 'Backspace'].includes(e.key)) {
        e.preventDefault();
        if (e.key === 'Enter') addAfter(i); else removeCorner(i);
        grabs[chosen].focus();
      }
      const way = ARROWS[e.key];
      if (i < 0 || !way) return;
      e.preventDefault();
      if (!timer) remember();
      move([i], way.map(v => v * step));
      putPoints();
      clearTimeout(timer);
      timer = setTimeout(() => {
        timer = 0;
        put('news', `${called(i)}: ${percent(points[i][0])} % from the left, ${percent(points[i][1])} % from the top`);
      }, 400);
    });
    on(document, 'keydown', e => {
      if (e.key === 'Enter' && laid && !e.target.matches('input, textarea, select')) {
        e.preventDefault();
        if (laid > 2) stopLaying('Closed.'); else told('A zone needs 3.');
        return;
      }
      const isBack = e.key === 'Escape' || (e.key === 'z' && (e.ctrlKey || e.metaKey));
      if (!isBack || e.target.matches('input, textarea, select')) return;
      e.preventDefault();
      clearTimeout(timer);
      timer = 0;
      if (laid) cancel(); else if (isDrawing && !held) setDrawing(false); else takeBack();
    });
    on(svg, 'focusin', e => { chosen = Math.max(0, grabs.indexOf(e.target)); });
    on(form, 'input', e => {
      if (fields.flat().includes(e.target) || e.target.name === 'corners') points = read();
      changed();
    });
    if (isZone) {
      for (const [id, act] of Object.entries({ more: addAfter, fewer: removeCorner })) {
        on(el(id), 'click', () => act(chosen));
      }
    } else {
      on(el('flip'), 'click', e => {
        e.preventDefault();
        remember();
        points.reverse();
        putPoints();
      });
    }
  } else {
    svg.replaceChildren(others);
  }
  on(el('picture'), 'error', () => { el('over').hidden = false; });
  if (el('picture').complete && !el('picture').naturalWidth) el('over').hidden = false;
  on(el('picture'), 'load', e => {
    [last.width, last.height] = [e.target.naturalWidth, e.target.naturalHeight];
    paint();
  });

  const tracks = new Map(); // number → { class, points: [[time, left, top, right, bottom], …], isHere }
  let firstAt = null;
  const takeOverlay = overlay => {
    if (!overlay.size[0]) return; // nothing has been looked at yet
    const time = performance.now();
    firstAt ??= time;
    if (String(size) !== String(overlay.size)) size = overlay.size;
    for (const track of tracks.values()) track.isHere = false;
    for (const [number, kind, , l, t, r, b, , , inSight] of overlay.tracks) {
      if (!inSight) continue;
      if (!tracks.has(number)) tracks.set(number, { points: [] });
      const track = tracks.get(number);
      Object.assign(track, { class: kind, isHere: true });
      track.points.push([time, l, t, r, b]);
    }
    for (const [number, track] of tracks) {
      track.points = track.points.filter(point => time - point[0] < MINUTE_MS);
      if (!track.points.length) tracks.delete(number);
    }
    for (const [zone, inside] of overlay.zones) {
      const cell = main.querySelector(`[data-zone="${zone}"]`);
      if (cell) cell.textContent = inside;
    }
    if (!held && !laid) paintSoon();
  };
  let frame = 0;
  const paintSoon = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      drawTrails();
      if (form) rehearse();
    });
  };
  const drawTrails = () => {
    const f = place();
    const walks = [...tracks.values()].map(({ points }) => points.map(([, l, , r, b]) => f.at([(l + r) / 2, b])));
    trails.setAttribute('d', walks.filter(walk => walk.length > 1).map(path).join(''));
  };

  const ANCHORS = {
    bottom: (l, t, r, b) => [[(l + r) / 2, b]], center: (l, t, r, b) => [[(l + r) / 2, (t + b) / 2]],
    top: (l, t, r) => [[(l + r) / 2, t]], left: (l, t, r, b) => [[l, (t + b) / 2]],
    right: (l, t, r, b) => [[r, (t + b) / 2]], box: (l, t, r, b) => [[l, t], [r, t], [l, b], [r, b]],
  };
  // Where a track would have crossed `line`: [[x, y], is in] each. A sketch of what the counter does.
  const crossings = (line, points, f) => {
    const [a, b] = [f.at(line.a), f.at(line.b)], along = [b[0] - a[0], b[1] - a[1]];
    const side = ([x, y]) => Math.sign(along[0] * (y - a[1]) - along[1] * (x - a[0]));
    const isAtEdge = end => end.some(v => v < 0.005 || v > 0.995);
    /** @type {[Point, boolean][]} */
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
  // No anchor of what was seen comes so near to the edge.
  const isBeyondReach = ({ a, b, anchor }) => {
    const boxes = [...tracks.values()].flatMap(track => track.points);
    const least = (low, high) => boxes.length ? Math.min(1, ...boxes.map(box => box[high] - box[low])) : 0.02;
    const w = least(1, 3), h = least(2, 4);
    const rim = { bottom: [w / 2, h, w / 2, 0], center: [w / 2, h / 2, w / 2, h / 2], top: [w / 2, 0, w / 2, h],
      left: [0, h / 2, w, h / 2], right: [w, h / 2, 0, h / 2], box: [w, h, w, h] }[anchor];
    let first = 0, end = 1;
    for (const axis of [0, 1]) {
      const low = rim[axis] + 0.01, high = 0.99 - rim[axis + 2], d = b[axis] - a[axis];
      if (!d && (a[axis] < low || a[axis] > high)) return true;
      const sides = d ? [(low - a[axis]) / d, (high - a[axis]) / d] : [0, 1];
      first = Math.max(first, Math.min(...sides));
      end = Math.min(end, Math.max(...sides));
    }
    return first > end;
  };
  const isWithin = ([x, y]) => points.reduce((is, [ax, ay], i) => {
    const [bx, by] = points.at(i - 1);
    return (ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax ? !is : is;
  }, false);
  const rehearse = () => {
    const classes = ticked(), isCounted = track => !classes.length || classes.includes(track.class);
    const seen = [...tracks.values()].filter(isCounted);
    const kept = firstAt === null ? 'Nothing is detected yet: that starts when a line or zone is saved.'
      : !id ? 'It counts once it is saved.' : isDirty ? `Until you save, the old ${kind} counts.` : '';
    if (isZone) {
      const anchor = ANCHORS[field('anchor').value];
      const isInside = track => track.isHere && anchor(...track.points.at(-1).slice(1)).every(isWithin);
      put('would-in', `${seen.filter(isInside).length}`);
      put('trial-why', kept);
      return;
    }
    const line = /** @type {any} */ (draft()), f = place(), sum = { in: 0, out: 0 }, circles = [];
    for (const track of seen) {
      for (const [[x, y], isIn] of crossings(line, track.points, f)) {
        sum[isIn ? 'in' : 'out']++;
        circles.push(shape('circle', { class: isIn ? 'seen i' : 'seen o', cx: p(x), cy: p(y), r: 6 }));
      }
    }
    dots.replaceChildren(...circles);
    el('near').hidden = !isBeyondReach(line);
    put('would-in', `${sum.in}`); put('would-out', `${sum.out}`);
    const seconds = Math.min(60, Math.round((performance.now() - firstAt) / 1000));
    const heard = `${tracks.size} ${tracks.size === 1 ? 'object' : 'objects'} in ${seconds} s`;
    put('trial-why', (firstAt === null ? '' : `${heard}. Dots: where they crossed. `) + kept);
  };

  let isSending = false;
  const here = id ? `lines?${kind}=${id}` : 'lines';
  on(form, 'submit', async e => {
    e.preventDefault();
    isSending = el('save').disabled = true;
    const sent = field('_version')?.value;
    const page = await submit(form, e.submitter, form, AbortSignal.timeout(10_000));
    isSending = el('save').disabled = false;
    if (!page) { say(`Not saved: ${el('said').textContent}`); return; }
    const { id: shown, version: now } = page.getElementById('main').dataset;
    const { textContent: why, dataset: { field: wrong } } = page.getElementById('said');
    if (id) field('_version').value = version = +now;
    if (why) {
      say(`Not saved: ${why}`, id && now !== sent && here,
        wrong && form.querySelector(`[name="${wrong}"], [name="${wrong}x"], #${wrong}`));
      return;
    }
    isDirty = false;
    if (e.submitter?.value === 'delete') location.assign('lines');
    else if (!id) location.assign(`lines?${kind}=${shown}#saved`);
    else {
      say('');
      el('saved').hidden = false;
      el('saved').classList.add('on');
      put('news', el('saved').textContent);
      paint();
    }
  });
  el('trial')?.classList.remove('js');

  addEventListener('beforeunload', e => { if (isDirty && !isSigningIn) e.preventDefault(); });
  on(document, 'click', e => {
    const link = e.target.closest('a[href]');
    if (!isDirty || !link || e.ctrlKey || e.metaKey || link.target || link.hash) return;
    if (link.closest('#undo, #leave, #said')) { isDirty = false; return; }
    e.preventDefault();
    el('leave-go').href = link.href;
    el('leave').hidden = false;
    el('stay').focus();
  });
  on(el('stay'), 'click', () => { el('leave').hidden = true; });

  const takeLines = ({ items }) => {
    if (!form || isZone || !id || isSending) return;
    const mine = items.find(line => `${line.id}` === id && !line.deleted);
    if (!mine) say('This line has just been deleted by somebody else.');
    else if (mine.version > version) { version = mine.version; say('Somebody else has just changed this line.', here); }
  };
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
