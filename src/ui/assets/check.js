// Takes the taps of a check, which this browser keeps until they are stored. A recording is played by player.js.
// @ts-check
'use strict';
{
  const { line, minutes = 5, item = '', began, now = 0 } = el('main').dataset, key = `check ${line} ${item} ${minutes}`;
  const ahead = now - Date.now(), DAY_MS = 86_400_000, REACTION_MS = 400;
  // In milliseconds of the server's clock, or of the recording.
  const time = () => item ? began / 1000 + el('seek').value * 1000 : Date.now() + ahead;
  // `seen` is when this page was last open.
  const fresh = () => ({ from: item ? time() : 0, seen: time(), paused: 0, pauses: [], taps: [] });
  const kept = { ...fresh(), ...recall(key) };
  if (!item && time() - kept.from > DAY_MS) Object.assign(kept, fresh());
  const left = () => kept.pauses.reduce((ms, [from, to]) => ms + to - from, minutes * 60_000)
    - (kept.from && (kept.paused || time()) - kept.from);
  const isOn = () => kept.from && !kept.paused;
  const tell = () => {
    if (kept.from) store(key, kept);
    for (const way of ['in', 'out']) {
      put(`${way}-taps`, `${kept.taps.filter(tap => tap.direction === way).length}`);
      el(way).disabled = !isOn();
    }
    el('finish').disabled = isSending || !kept.from;
    put('left', running(Math.max(0, left() / 1000)));
    if (!item) put('pause', kept.paused ? 'Continue' : kept.from ? 'Pause' : 'Begin');
  };
  let isSending = false, isOver = false, isAsked = false, endedAt = 0;
  const finish = async byHand => {
    if (!kept.from || isSending) return;
    if (byHand && !kept.taps.length && !isAsked) {
      isAsked = true;
      put('said', 'You tapped nothing. Finish once more if nothing crossed.');
      return;
    }
    isSending = true;
    put('said', 'Comparing …');
    const us = ms => Math.round(ms * 1000), to = (kept.paused || time()) + Math.min(0, left());
    const taps = kept.taps.map(tap => ({ ...tap, time: us(tap.time) })), pauses = kept.pauses.map(ends => ends.map(us));
    try {
      const { id } = await send('POST', 'checks',
        { line: +line, from: us(kept.from), to: us(to), taps, pauses, recording: +item || null });
      clearInterval(timer);
      store(key, null);
      location.assign(`checks?id=${id}`);
    } catch (e) {
      isSending = false;
      put('said', e.message);
    }
  };
  const tap = direction => {
    // Who watches a recording faster reacts as late by the clock on the wall, so later in the recording.
    const late = item ? (el('speed').value - 1) * REACTION_MS : 0;
    if (isOn()) kept.taps.push({ time: Math.max(kept.from, time() - late), direction });
    else put('said', 'It counts your taps once you press Begin or Continue.');
  };
  const pause = why => {
    if (kept.paused) kept.pauses.push([kept.paused, time()]);
    kept.paused = isOn() ? time() : 0;
    kept.from ||= time();
    put('said', why === 'pause' ? '' : why);
    // @ts-ignore
    navigator.wakeLock?.request('screen').catch(() => { /* the screen may go dark */ });
  };
  const undo = () => kept.taps.pop();
  const discard = () => {
    if (item) {
      el('seek').value = 0;
      for (const name of ['input', 'change']) el('seek').dispatchEvent(new Event(name));
    }
    Object.assign(kept, fresh());
  };
  const acts = { in: tap, out: tap, undo, pause, finish, discard };
  if (!item && kept.from) {
    kept.paused ||= kept.seen;
    put('said', `You began at ${exact(kept.from)} and tapped ${kept.taps.length} times: continue, or start again.`);
  }
  const act = name => { acts[name](name); tell(); };
  for (const id of Object.keys(acts)) on(el(id), 'click', () => act(id));
  // A button that was clicked takes no keys.
  on(el('main'), 'mousedown', e => { if (e.target.matches('button *, button')) e.preventDefault(); });
  const KEYS = { i: 'in', o: 'out', arrowup: 'in', arrowdown: 'out', u: 'undo', ' ': item ? '' : 'pause' };
  const PLAYERS = [' ', '<', '>', 'ArrowLeft', 'ArrowRight'];
  on(document, 'keydown', e => {
    const name = KEYS[e.key.toLowerCase()];
    if (isTyped(e) || (e.key === ' ' && e.target.closest('button, a, summary'))) return;
    if (name) e.preventDefault();
    if (name && !e.repeat) act(name);
    if (!PLAYERS.includes(e.key)) e.stopImmediatePropagation();
  });
  // Nobody watches a page that cannot be seen, and nothing is counted while counting stops.
  const stop = why => { if (!item && isOn()) { pause(why); tell(); } };
  on(document, 'visibilitychange', () => { if (document.hidden) stop('Paused while the page was not in sight.'); });
  on(document, 'state', ({ detail: s }) => {
    if (s.counting?.state !== 'counting') stop(`Paused: nothing is counted now. ${sentence(s.counting?.reason)}`);
  });
  on(window, 'storage', e => { if (e.key === key) put('said', 'This check is open in another tab, too.'); });
  on(document, 'played', () => { endedAt = Date.now(); });
  // The last taps are late.
  const timer = setInterval(() => {
    const at = time(), was = kept.seen;
    // A recording that goes back is tapped again from there on; what is skipped was not watched.
    if (item && at < was) {
      kept.taps = kept.taps.filter(tap => tap.time < at);
      kept.pauses = kept.pauses.filter(([, to]) => to <= at);
      kept.from = Math.min(kept.from, at);
      endedAt = 0;
    } else if (item && at > was + 5000) kept.pauses.push([was, at]);
    kept.seen = at;
    tell();
    if (isOver || !kept.from) return;
    isOver = left() < -2000 || (endedAt && Date.now() - endedAt > 2000);
    if (isOver) finish();
  }, 250);
  tell();
}
