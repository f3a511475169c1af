// The scripts of the pages share this.
// @ts-check
'use strict';
// A page with a form that was refused stands at the API's address: from here on at its own.
const base = document.querySelector('base');
if (base) { history.replaceState(null, '', base.href); base.remove(); }
// A page that was fetched: where its links begin is this page's business.
const parsed = html => new DOMParser().parseFromString(html.replace(/<base [^>]*>/, ''), 'text/html');
/** @type {(id: string) => Part} */
const el = id => document.getElementById(id);
/** @type {(target: EventTarget | null | undefined, type: string, act: (e: Happening) => any, how?: any) => void} */
const on = (target, type, act, how) => target?.addEventListener(type, act, how);

// A form of choices is sent with each of them; a typed day when its field is left.
/** @type {(form: Part, isWhole?: () => boolean) => void} */
const sendsItself = (form, isWhole = () => true) => {
  let typed;
  on(form, 'keydown', ({ target }) => { if (target.type === 'date') typed = target; });
  on(form, 'change', ({ target }) => {
    if (target !== typed && target.checkValidity() && isWhole()) form.requestSubmit();
  });
  on(form, 'focusout', ({ target }) => {
    if (target === typed && typed.value && typed.value !== typed.defaultValue) form.requestSubmit();
    typed = null;
  });
};

const isTyped = e => e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input:not(#seek), select, textarea');
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// What this browser keeps, if it may.
const recall = key => { try { return JSON.parse(localStorage.getItem(key) ?? 'null'); } catch { return null; } };
const store = (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* it may not */ } };

// Times in the camera's zone, if the page tells it.
const offset = +(document.querySelector('[data-offset]')?.dataset.offset ?? -60 * new Date().getTimezoneOffset());
/** @type {(ms: number) => string} */
const local = ms => new Date(ms + offset * 1000).toISOString();
/** @type {(ms: number) => string} */
const exact = ms => local(ms).slice(11, 19);

// Text in which `this` is something to type.
/** @type {(id: string, text: string) => void} */
const put = (id, text) => {
  const e = el(id);
  if ((e.dataset.text ?? e.textContent) === text) return;
  e.dataset.text = text;
  e.replaceChildren(...text.split('`').map((part, i) =>
    i % 2 ? Object.assign(document.createElement('code'), { textContent: part }) : part));
};
// Ends with a stop, and begins with a capital letter, unless it begins with the name of a file; like format.rs.
const sentence = text => (text || '').replace(/[^.!?…]$/, '$&.')
  .replace(/^\p{L}+(?=[ ,;]|\.$)/u, word => word[0].toUpperCase() + word.slice(1));
const make = (name, className, text) => Object.assign(document.createElement(name), { className, textContent: text });

// Whole numbers, bytes and times in a recording, in the words of format.rs.
/** @type {(n: number) => string} */
const whole = n => String(n).replace(/\B(?=(\d{3})+$)/g, document.documentElement?.dataset.thousands ?? '\u202f');
/** @type {(n: number) => string} */
const size = n => n <= 0 ? '0 bytes' : n < 999500 ? `${Math.max(1, Math.round(n / 1e3))} kB`
  : n < 9.95e6 ? `${(n / 1e6).toFixed(1)} MB` : n < 999.5e6 ? `${Math.round(n / 1e6)} MB`
    : n < 99.95e9 ? `${(n / 1e9).toFixed(1)} GB` : `${Math.round(n / 1e9)} GB`;
/** @type {(seconds: number) => string} */
const running = seconds => {
  const s = Math.floor(seconds), two = n => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60), hours = Math.floor(s / 3600);
  return `${s < 3600 ? minutes : `${hours}:${two(minutes % 60)}`}:${two(s % 60)}`;
};

// When the server, and not its proxy, was last heard; by a clock that nobody sets.
let heardAt = performance.now();
const heard = () => { heardAt = performance.now(); };

// The fields of a part, and a name that no other field of the page has.
/** @type {(part: Element) => Part[]} */
const fieldsOf = part => [...part.querySelectorAll('input, select, textarea')].filter(one =>
  !['file', 'hidden', 'submit'].includes(one.type) && (one.id || one.name));
const isTick = one => one.type === 'checkbox' || one.type === 'radio';
const nameOf = one => [one.form?.getAttribute('action'), one.id || one.name, isTick(one) ? one.value : '',
  !one.id && one.matches('a, button, summary') ? one.ariaLabel ?? one.textContent : ''].join('/');
const stateOf = one => isTick(one) ? one.checked : one.value;
const setState = (one, state) => { one[isTick(one) ? 'checked' : 'value'] = state; };
const isDirty = one => one.options ? [...one.options].some(o => o.selected !== o.defaultSelected)
  : isTick(one) ? one.checked !== one.defaultChecked : one.value !== one.defaultValue;

// What was typed on a page that turns out to need signing in is there again afterwards; a password is not kept.
const TYPED = 'typed';
const typedFields = () => fieldsOf(el('main')).filter(one => one.type !== 'password');
let isSigningIn = false;
const signIn = answer => {
  isSigningIn = true;
  const typed = typedFields().filter(isDirty).map(one => [nameOf(one), stateOf(one)]);
  try { sessionStorage.setItem(TYPED, JSON.stringify([location.pathname, typed])); } catch { /* lost */ }
  const next = encodeURIComponent((location.pathname.split('/').pop() || './') + location.search);
  // The role that is needed, where the reader's is too low.
  const role = /&needed=\w+$/.exec(answer.headers.get('Content-Location'))?.[0] ?? '';
  location.assign(`sign-in?next=${next}${role}`);
};
// A page that is asked for leads to the one to sign in on; words in its address lead nowhere.
const isSignedOut = answer => answer.status === 401
  || [answer.url, answer.headers.get('Content-Location')].some(place => /^[^?]*\/sign-in(\?|$)/.test(place));
addEventListener('load', () => {
  let typed;
  try { typed = JSON.parse(sessionStorage.getItem(TYPED) ?? ''); } catch { return; }
  if (typed?.[0] !== location.pathname) return;
  sessionStorage.removeItem(TYPED);
  const was = new Map(typed[1]);
  const back = typedFields().filter(one => ![undefined, stateOf(one)].includes(was.get(nameOf(one))));
  for (const one of back) setState(one, was.get(nameOf(one)));
  for (const one of back) for (const type of ['input', 'change']) one.dispatchEvent(new Event(type, { bubbles: true }));
});

// The server's own words for a problem.
const wordsOf = (status, problem) => [problem?.detail, problem?.hint].filter(Boolean).map(sentence).join(' ')
  || `The server answered ${status}.`;
// Asks; a problem is an error, in the words of the pages. A page is an answer, whatever its status is.
const ask = async (address, options) => {
  const answer = await fetch(address,
    { cache: 'no-store', ...options, headers: { 'X-Page': '1', ...options?.headers } });
  const kind = answer.headers.get('Content-Type') ?? '', isPage = kind.startsWith('text/html');
  if (answer.status < 502 || kind.includes('problem+json')) heard();
  if (isSignedOut(answer)) signIn(answer);
  else if (answer.ok || isPage) return answer;
  throw new Error(wordsOf(answer.status, await answer.json().catch(() => null)));
};
const send = async (method, path, body, headers, signal) => {
  const answer = await ask(`api/v1/${path}`, { method, signal, body: JSON.stringify(body),
    headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers } });
  return answer.status === 204 ? null : answer.json();
};

// Asks for the state. A slow answer is no lost connection while the server is heard in another way.
const SILENT_MS = 10_000, REFUSED_MS = 2000;
const askState = async () => {
  try {
    return { state: await send('GET', 'state', undefined, undefined, AbortSignal.timeout(SILENT_MS)) };
  } catch (e) {
    return { isLost: performance.now() - heardAt > (e.name === 'TimeoutError' ? SILENT_MS : REFUSED_MS) };
  }
};

// Sends the newest value once the one before was answered.
/** @type {<T>(ask: (value: T) => Promise<any>) => (value: T) => Promise<void>} */
const newestOnly = ask => {
  let next, isAsking = false;
  return async value => {
    next = [value];
    if (isAsking) return;
    isAsking = true;
    while (next) { const [one] = next; next = null; await ask(one); }
    isAsking = false;
  };
};

// What pops up closes by Escape and by a click elsewhere.
const popups = '#menu[open], #turn[open], #pause[open], #lapses[open]';
on(document, 'click', e => {
  for (const one of document.querySelectorAll(popups)) if (!one.contains(e.target)) one.open = false;
});
on(document, 'keydown', e => {
  const one = e.key === 'Escape' && document.querySelector(popups);
  if (one) { one.open = false; one.firstElementChild.focus(); }
});

const freshPage = async (address, patience) => {
  const answer = await ask(address, { signal: patience ? AbortSignal.timeout(patience) : null });
  if (!answer.ok || answer.redirected) throw new Error(`The server answered ${answer.status}.`);
  return parsed(await answer.text());
};

// ---- forms without leaving the page: `data-swap`, at a form, a link or around them, names the parts of the page that
// change with it; a row of settings (`.set`) is sent and changes alone

// Replaces parts of this page by those of `page`. Half-typed fields, open folds and the focus stay; the form or row
// `sent` is new, but for what is typed since (`was` has the states that were sent), unless it was refused. Without
// `sent` a part in which somebody types or presses stays as it is.
const STOPS = 'a, button, summary, input:not([type=hidden]), select, textarea';
/** @type {(page: Document, ids: string[], sent?: Element, isRefused?: boolean, was?: Map<Part, any>) => void} */
const swap = (page, ids, sent, isRefused, was = new Map()) => {
  const at = /** @type {Part} */ (document.activeElement), atName = nameOf(at), parts = [];
  for (const id of ids) {
    const old = el(id), fresh = page.getElementById(id), has = old?.contains(at);
    if (!fresh && sent && !isRefused) old?.remove();
    if (!old || !fresh) continue;
    const isBusy = old.matches(':active') || (has && at.matches('input, select, textarea'));
    if (!sent && (isBusy || old.outerHTML === fresh.outerHTML)) continue;
    const now = new Map(fieldsOf(fresh).map(one => [nameOf(one), one]));
    for (const one of fieldsOf(old)) {
      const same = now.get(nameOf(one));
      if (same && isDirty(one) && (isRefused || was.get(one) !== stateOf(one))) setState(same, stateOf(one));
    }
    const foldName = one => one.id || nameOf(one.firstElementChild);
    /** @type {(part: Part) => [string, Part][]} */
    const folds = part => [...part.querySelectorAll('details')].map(one => [foldName(one), one]);
    const were = new Map(folds(old));
    for (const [name, one] of folds(fresh)) {
      const fold = were.get(name);
      if (fold?.open && (isRefused || !fold.contains(sent ?? null))) one.open = true;
    }
    if (old.open) fresh.open = true;
    old.replaceWith(fresh);
    parts.push(fresh);
  }
  const stops = parts.flatMap(part => [part, ...part.querySelectorAll(STOPS)]).filter(one =>
    one.matches(STOPS) && !one.disabled && one.checkVisibility());
  // Who has gone on to another field stays there.
  const isFree = !at.isConnected || at === document.body || sent?.contains(at);
  const first = sent && isFree ? stops.find(one => one.autofocus) : null;
  if (first || !at.isConnected) {
    const isSame = one => at.id ? one.id === at.id : nameOf(one) === atName;
    const focus = first ?? stops.find(isSame) ?? stops[0], { selectionStart: from, selectionEnd: to } = at;
    focus?.focus({ preventScroll: true });
    if (from != null && focus?.selectionStart != null) focus.setSelectionRange(from, to);
  }
  document.dispatchEvent(new CustomEvent('swap', { detail: parts.map(part => part.id) }));
};
const renew = async (...ids) => {
  try { swap(await freshPage(location.href), ids); return true; } catch { return false; /* the next time */ }
};
// Asks for the page that `from` leads to, and gives it, if it is this one. Messages and failures are said.
/** @type {(from: Part, holder: Part, address: string, options?: RequestInit) => Promise<Document | null>} */
const follow = async (from, holder, address, options) => {
  const ids = holder.dataset.swap.split(' '), row = holder.closest('.set');
  const failed = holder.querySelector('.said') ?? el('said');
  if (from.ariaBusy) return null;
  from.ariaBusy = 'true';
  if (failed) { failed.textContent = ''; delete failed.dataset.text; }
  const was = new Map((row ? fieldsOf(row) : [...from.elements ?? []]).map(one => [one, stateOf(one)]));
  try {
    const answer = await ask(address, options), page = parsed(await answer.text());
    const isHere = new URL(answer.url).pathname === location.pathname && ids.some(el);
    if (answer.redirected && !isHere) { location.assign(answer.url); return null; }
    if (!answer.ok && !ids.some(id => page.getElementById(id))) throw new Error(wordsOf(answer.status, null));
    swap(page, ids, row ?? from, !answer.ok, was);
    const said = ids.map(id => el(id)?.querySelector('[role=status], [role=alert]')?.textContent);
    put('news', said.filter(Boolean).join(' '));
    return page;
  } catch (e) {
    failed?.classList.add('bad');
    put(failed?.id || 'news', e.name === 'TimeoutError' ? 'No answer in time.' : e.message);
    return null;
  } finally { from.ariaBusy = null; }
};
/** @type {(form: Part, by?: Part | null, holder?: any, signal?: AbortSignal) => Promise<Document | null>} */
const submit = (form, by, holder = (by ?? form).closest('[data-swap]'), signal) => {
  const address = by?.getAttribute('formaction') ?? form.getAttribute('action') ?? '';
  const body = new URLSearchParams(/** @type {any} */ (new FormData(/** @type {any} */ (form), by)));
  const isGet = (by?.formMethod || form.method) === 'get', isRow = holder.matches('.set');
  for (const one of isRow ? form.querySelectorAll('.set [name]') : []) if (!holder.contains(one)) body.delete(one.name);
  return follow(form, holder, isGet ? `${address}?${body}` : address, isGet ? {} : { method: 'POST', body, signal });
};
on(document, 'submit', e => {
  const { target: form, submitter: by, defaultPrevented } = e;
  // A page without the parts, such as a question of its own, leaves the form to the browser.
  if (defaultPrevented || !(by ?? form).closest('[data-swap]')?.dataset.swap.split(' ').some(el)) return;
  e.preventDefault();
  submit(form, by);
});
on(document, 'click', e => {
  const link = e.target.closest('a[data-swap]');
  if (!link || e.defaultPrevented || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  follow(link, link, link.href);
});

// A note that is closed stays away until tomorrow: the server reads the cookie.
const closeNote = async button => {
  const until = new Date(new Date().setHours(24, 0, 0, 0)).toUTCString();
  const path = new URL('.', location.href).pathname;
  document.cookie = `closed-${button.dataset.close}=1; expires=${until}; path=${path}; samesite=strict`;
  if (!await renew('alerts')) el('alerts').replaceChildren();
};
on(document, 'click', e => { if (e.target.dataset?.close) closeNote(e.target); });

// The head and the window's title say the worst that is wrong. The banner is the server's.
const worstOf = s => s.alerts.find(alert => alert.bad);
const headlineOf = s => (worstOf(s) ?? s).headline;
const lookOf = word => ['live', 'idle', 'starting', 'paused'].includes(word) ? word : 'trouble';
let isBannerAsked = false;
on(document, 'state', async ({ detail: s }) => {
  if (!s) return;
  const isBad = !!worstOf(s), mark = '⚠ ', key = s.alerts.map(alert => `${alert.kind} ${alert.why ?? ''},`).join('');
  document.body.toggleAttribute('data-bad', isBad);
  const title = document.title.replace(mark, '');
  if (document.title !== (isBad ? mark : '') + title) document.title = (isBad ? mark : '') + title;
  const banner = el('alerts');
  if (banner.dataset.key === key || isBannerAsked) return;
  isBannerAsked = true;
  try { swap(await freshPage('./'), ['alerts']); } catch { /* the next time */ }
  isBannerAsked = false;
});

// Hears api/v1/events while the page is in sight, through events.js, or itself in a browser without shared workers.
// `opened` is called when hearing begins again.
const listen = (handlers, opened) => {
  const types = Object.keys(handlers);
  const take = (type, data, isOld) => { if (!isOld) heard(); handlers[type](JSON.parse(data)); };
  let port = null, source = null, timer = 0;
  const close = () => { clearTimeout(timer); port?.postMessage([]); source?.close(); source = null; };
  const open = () => {
    close();
    if (port) { port.postMessage(types); return; }
    source = new EventSource('api/v1/events?types=' + types);
    for (const type of types) on(source, type, e => take(type, e.data));
    // A connection that breaks is mended by the browser; a refusal is not.
    on(source, 'error', () => { if (source?.readyState === EventSource.CLOSED) timer = setTimeout(open, 3000); });
  };
  try {
    const worker = new SharedWorker('events.js');
    on(worker, 'error', () => {
      close();
      port.onmessage = null;
      port.close();
      port = null;
      if (!document.hidden) open();
    }, { once: true });
    port = worker.port;
    port.onmessage = ({ data: [type, data, isOld] }) => take(type, data, isOld);
  } catch { /* there is none */ }
  const look = () => { if (document.hidden) close(); else { open(); opened?.(); } };
  on(document, 'visibilitychange', look);
  addEventListener('pagehide', close);
  addEventListener('pageshow', e => { if (e.persisted) look(); });
  if (!document.hidden) open();
};

// ---- this browser's own view of the live picture: rotated, mirrored, flipped, as the server makes it for `/stream`

const MINE = 'view';
const myView = { rotate: 0, ...recall(MINE) };
/** @type {(size: Point) => Point} */
const turnedSize = ([w, h]) => myView.rotate % 180 ? [h, w] : [w, h];
/** @type {(place: Point) => Point} */
const flipped = ([x, y]) => [myView.mirror ? 1 - x : x, myView.flip ? 1 - y : y];
// Where a point of everyone's picture is in this browser's, and back.
/** @type {(place: Point) => Point} */
const toMine = ([x, y]) => flipped({ 90: [1 - y, x], 180: [1 - x, 1 - y], 270: [y, 1 - x] }[myView.rotate] ?? [x, y]);
/** @type {(place: Point) => Point} */
const fromMine = point => {
  const [x, y] = flipped(point);
  return { 90: [y, 1 - x], 180: [1 - x, 1 - y], 270: [1 - y, x] }[myView.rotate] ?? [x, y];
};

// ---- shapes

/** @type {(name: string, attributes: Record<string, any>, text?: string) => SVGElement} */
const shape = (name, attributes, text) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
};

// Where a picture of this size lies in the drawing, in pixels of the window, as `object-fit: contain` has it.
/** @type {(svg: Element, size: Point) => Fit} */
const fit = (svg, [width, height]) => {
  const [W, H] = [svg.clientWidth || 1, svg.clientHeight || 1], scale = Math.min(W / width, H / height);
  const [w, h] = [width * scale, height * scale];
  return { W, H, w, h, x: (W - w) / 2, y: (H - h) / 2, at: ([x, y]) => [(W - w) / 2 + x * w, (H - h) / 2 + y * h] };
};

// Makes an inner drawing show just the picture.
/** @type {(inner: Element, f: Fit) => void} */
const frameTo = (inner, f) => {
  const shown = { x: f.x, y: f.y, width: f.w, height: f.h, viewBox: `${f.x} ${f.y} ${f.w} ${f.h}` };
  for (const [key, value] of Object.entries(shown)) inner.setAttribute(key, value);
};

/** @type {(n: number) => string} */
const p = n => n.toFixed(1);
/** @type {(points: Point[]) => string} */
const path = points => `M${points.map(([x, y]) => `${p(x)} ${p(y)}`).join('L')}`;
/** @type {(v: number, least: number, most: number) => number} */
const clamp = (v, least, most) => Math.min(most, Math.max(least, v));

/** @typedef {(words: string, places: Point[]) => Point | undefined} Room */
// Half of the width of words over a picture. A letter is about 9 wide.
/** @type {(words: string) => number} */
const halfWidth = words => 4.5 * words.length + 4;
// Gives the first of the places where words over a picture touch no others, if there is one.
/** @type {(taken?: number[][]) => Room} */
const labelRoom = (taken = []) => {
  return (words, places) => places.find(([x, y]) => {
    const half = halfWidth(words), [l, t, r, b] = [x - half, y - 16, x + half, y + 6];
    const isFree = taken.every(other => r <= other[0] || other[2] <= l || b <= other[1] || other[3] <= t);
    if (isFree) taken.push([l, t, r, b]);
    return isFree;
  });
};
/** @type {(name: string, words: string, take: Room, f: Fit, places: Point[]) => SVGElement[]} */
const label = (name, words, take, f, places) => {
  const edge = halfWidth(words);
  /** @type {(place: Point) => Point} */
  const within = ([x, y]) => [clamp(x, edge, Math.max(edge, f.W - edge)), clamp(y, 16, f.H - 10)];
  const at = words && take(words, places.map(within));
  return at ? [shape('text', { class: name, x: p(at[0]), y: p(at[1]) }, words)] : [];
};

// A line, its arrow to the left of a→b (that way is in; to the right in a mirror), and its names; like draw.rs.
/** @type {(line: Line, f: Fit, take?: Room, hasArrow?: boolean) => SVGElement[]} */
const lineShapes = (line, f, take = labelRoom(), hasArrow = true) => {
  const hand = f.isMirrored ? -1 : 1;
  const [a, b] = [f.at(line.a), f.at(line.b)];
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]], long = Math.hypot(dx, dy) || 1e-6;
  const [ux, uy] = [dx / long, dy / long], [mx, my] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  /** @type {(far: number, on: number) => Point} */
  const beside = (far, on) => [mx + uy * far * hand + ux * on, my - ux * far * hand + uy * on];
  const tip = beside(40, 0);
  const bar = path([a, b]);
  const arrow = hasArrow ? path([beside(6, 0), tip]) + path([beside(30, -8), tip, beside(30, 8)]) : '';
  const half = Math.max(8, 4 * line.in_name.length), [low, high] = a[1] > b[1] ? [a, b] : [b, a];
  const way = beside(48 + half * Math.abs(uy) + 8 * Math.abs(ux), 0);
  return [shape('path', { class: 'case', d: bar + arrow }), shape('path', { class: 'line', d: bar }),
    ...hasArrow ? [shape('path', { class: 'arrow', d: arrow })] : [],
    ...label('hi mid', hasArrow ? line.in_name : '', take, f, [[way[0], way[1] + 5]]),
    ...label('mid', line.name, take, f, [[low[0], low[1] + 22], [high[0], high[1] - 12]])];
};

// A video is made while it is downloaded, one at a time; what comes of it is told beside the link.
const making = async () => (await (await fetch('api/v1/video')).json()).now;
for (const one of document.querySelectorAll('[data-print]')) {
  one.hidden = false;
  on(one, 'click', () => print());
}
for (const link of document.querySelectorAll('[data-video]')) on(link, 'click', async e => {
  e.preventDefault();
  const now = await making().catch(() => null);
  link.nextElementSibling.textContent = now ? 'Another is being made. Try again later.' : '';
  if (!now) link.cloneNode().click();
});

// A zone: its outline, and its name in the middle; like draw.rs.
/** @type {(zone: Zone, f: Fit, take?: Room) => SVGElement[]} */
const zoneShapes = (zone, f, take = labelRoom()) => {
  const at = zone.points.map(f.at);
  const [x, y] = [0, 1].map(axis => at.reduce((sum, one) => sum + one[axis], 0) / at.length);
  return [shape('path', { class: zone.exclude ? 'zone off' : 'zone', d: `${path(at)}z` }),
    ...label('mid', zone.name, take, f, [[x, y]])];
};
