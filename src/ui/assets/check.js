// Takes the taps of a check, which this browser keeps until they are stored. A recording is played by player.js.
// @ts-check
'use strict';
{
  const { line, minutes = 5, item = '', began, now = 0 } = el('main').dataset, key = `check ${line} ${item}`;
  // In milliseconds of the server's clock; `seen` is when this page was last open.
  const fresh = () => ({ ahead: now - Date.now(), from: item ? time() : 0, seen: 0, paused: 0, pauses: [], taps: [] });
  const time = () => item ? began / 1000 + el('seek').value * 1000 : Date.now() + kept.ahead;
  const kept = { ...fresh(), ...recall(key) };
  const left = () => kept.pauses.reduce((ms, [from, to]) => ms + to - from, minutes * 60_000)
    - (kept.from && (kept.paused || time()) - kept.from);
  const tell = () => {
    store(key, kept);
    for (const way of ['in', 'out']) put(`${way}-taps`, `${kept.taps.filter(tap => tap.direction === way).length}`);
    put('left', running(Math.max(0, left() / 1000)));
    if (!item) put('pause', kept.paused ? 'Continue' : kept.from ? 'Pause' : 'Begin');
  };
  let isSent = false, endedAt = 0;
  const finish = async () => {
    if (!kept.from) return;
    isSent = true;
    const us = ms => Math.round(ms * 1000), to = (kept.paused || time()) + Math.min(0, left());
    const taps = kept.taps.map(tap => ({ ...tap, time: us(tap.time) })), pauses = kept.pauses.map(ends => ends.map(us));
    try {
      const { id } = await send('POST', 'checks',
        { line: +line, from: us(kept.from), to: us(to), taps, pauses, recording: +item || null });
      clearInterval(timer);
      localStorage.removeItem(key);
      location.assign(`checks?id=${id}`);
    } catch (e) { put('said', e.message); }
  };
  const tap = direction => {
    const at = time();
    // A recording that begins again is tapped again.
    if (kept.from && !kept.paused) kept.taps = [...kept.taps.filter(tap => tap.time < at), { time: at, direction }];
  };
  const pause = () => {
    if (kept.paused) kept.pauses.push([kept.paused, time()]);
    kept.paused = kept.from && !kept.paused ? time() : 0;
    kept.from ||= time();
  };
  const undo = () => kept.taps.pop(), discard = () => Object.assign(kept, fresh());
  const acts = { in: tap, out: tap, undo, pause, finish, discard };
  if (!item && kept.from) kept.paused ||= kept.seen;
  const act = name => { acts[name](name); tell(); };
  for (const id of Object.keys(acts)) on(el(id), 'click', () => act(id));
  // A button that was clicked takes no keys.
  on(el('main'), 'mousedown', e => { if (e.target.matches('button *, button')) e.preventDefault(); });
  on(document, 'keydown', e => {
    const name = { i: 'in', o: 'out', ArrowUp: 'in', ArrowDown: 'out', u: 'undo', ' ': item ? '' : 'pause' }[e.key];
    if (isTyped(e)) return;
    if (name) e.preventDefault();
    if (name && !e.repeat) act(name);
    // The others are the player's.
    if (!' <>'.includes(e.key)) e.stopImmediatePropagation();
  });
  // The last taps are late.
  const timer = setInterval(() => {
    kept.seen = time();
    tell();
    if (item && /^Frame (\d+) of \1$/.test(el('number').textContent)) endedAt ||= Date.now();
    const isOver = left() < -2000 || (endedAt && Date.now() - endedAt > 2000);
    if (isOver && kept.from && !isSent) finish();
  }, 250);
  tell();
}
