// Plays a recording by time: a multipart stream of pictures, each with its time. Also the taps of a check.
// @ts-check
'use strict';
// Takes the taps of a check, which this browser keeps until they are stored. Its keys come before the player's.
if (el('in-taps')) {
  const { line, minutes = 5, item = '', began, now = 0 } = el('main').dataset, key = `check ${line} ${item} ${minutes}`;
  const ahead = now - Date.now(), start = began / 1000, speed = () => item ? +el('speed').value : 1;
  // In milliseconds of the server's clock, or of the recording.
  const time = () => item ? start + el('seek').value * 1000 : Date.now() + ahead;
  // `seen` is when this page was last open.
  const fresh = () => ({ from: item ? time() : 0, seen: time(), paused: 0, pauses: [], taps: [] });
  const kept = { ...fresh(), ...recall(key) };
  const left = () => kept.pauses.reduce((ms, [from, to]) => ms + to - from, minutes * 60_000)
    - (kept.from && (kept.paused || time()) - kept.from);
  const isOn = () => kept.from && !kept.paused;
  let isSending = false, isOver = false, endedAt = 0, lookedAt = Date.now();
  const tell = () => {
    if (kept.from && kept.seen > kept.from) store(key, kept);
    for (const way of ['in', 'out']) {
      put(`${way}-taps`, `${kept.taps.filter(tap => tap.direction === way).length}`);
      el(way).disabled = !isOn();
    }
    el('finish').disabled = isSending || !kept.from;
    put('left', running(Math.max(0, left() / 1000)));
    if (!item) put('pause', kept.paused ? 'Continue' : kept.from ? 'Pause' : 'Begin');
  };
  const forget = () => {
    store(key, null);
    Object.assign(kept, fresh());
    isOver = false;
    endedAt = 0;
  };
  const finish = async () => {
    isSending = true;
    put('told', 'Comparing …');
    const us = ms => Math.round(ms * 1000), to = (kept.paused || time()) + Math.min(0, left());
    // Later taps are of later crossings.
    const taps = kept.taps.filter(tap => tap.time <= to + 2000).map(tap => ({ ...tap, time: us(tap.time) }));
    const pauses = kept.pauses.map(ends => ends.map(us));
    try {
      const { id } = await send('POST', 'checks',
        { line: +line, from: us(kept.from), to: us(to), taps, pauses, recording: +item || null });
      clearInterval(timer);
      forget();
      location.assign(`checks?id=${id}`);
    } catch (e) {
      isSending = false;
      put('told', e.message);
    }
  };
  // A reaction of 0.4 s takes as long at any speed, so it is longer in the time of a faster recording.
  const tap = direction => {
    if (isOn()) kept.taps.push({ time: Math.max(kept.from, time() - (speed() - 1) * 400), direction });
    else put('told', `Press ${el('pause').textContent}.`);
  };
  const pause = why => {
    if (kept.paused) kept.pauses.push([kept.paused, time()]);
    kept.paused = isOn() ? time() : 0;
    kept.from ||= time();
    put('told', why === 'pause' ? '' : why);
  };
  const undo = () => kept.taps.pop();
  const discard = () => {
    if (item) {
      el('seek').value = 0;
      for (const name of ['input', 'change']) el('seek').dispatchEvent(new Event(name));
    }
    forget();
    put('told', '');
  };
  const acts = { in: tap, out: tap, undo, pause, finish, discard };
  // A check of another day cannot go on.
  if (!item && time() - kept.from > 86_400_000) forget();
  else if (kept.seen > kept.from && kept.from) {
    // To the picture, never before it.
    if (item) el('seek').value = (kept.seen - start) / 1000 + 0.001;
    else kept.paused ||= kept.seen;
    put('told', `Begun at ${exact(kept.from)}: continue, or start again.`);
  }
  const act = name => { if (!isSending) acts[name](name); tell(); };
  for (const id of Object.keys(acts)) on(el(id), 'click', () => act(id));
  // A button that was clicked takes no keys.
  on(el('main'), 'mousedown', e => { if (e.target.matches('button *, button')) e.preventDefault(); });
  const KEYS = { i: 'in', o: 'out', arrowup: 'in', arrowdown: 'out', u: 'undo', ' ': item ? '' : 'pause' };
  on(document, 'keydown', e => {
    const name = KEYS[e.key.toLowerCase()];
    if (isTyped(e) || (e.key === ' ' && e.target.closest('button, a, summary'))) return;
    if (name) e.preventDefault();
    if (name && !e.repeat) act(name);
    // The others are the player's.
    if (!/^([ <>]|Arrow[LR].*)$/.test(e.key)) e.stopImmediatePropagation();
  });
  const stop = why => { if (!item && !isSending && isOn()) { pause(why); tell(); } };
  on(document, 'visibilitychange', () => { if (document.hidden) stop('Paused: the page was not in sight.'); });
  on(document, 'state', ({ detail: { counting } }) => {
    if (counting?.state !== 'counting') stop(`Paused: nothing is counted now. ${sentence(counting?.reason)}`);
  });
  on(document, 'played', () => { endedAt = Date.now(); });
  // The last taps are late.
  const timer = setInterval(() => {
    const at = time(), was = kept.seen, ms = Date.now() - lookedAt;
    lookedAt += ms;
    if (item && was - at > 2) {
      // It is tapped again from there on.
      kept.taps = kept.taps.filter(tap => tap.time < at);
      kept.pauses = kept.pauses.filter(([from]) => from < at).map(([from, to]) => [from, Math.min(to, at)]);
      kept.from = Math.min(kept.from, at);
      isOver = false;
      endedAt = 0;
    } else if (item && at - was > ms * speed() + 1000) kept.pauses.push([was, at]); // it was not watched
    kept.seen = at;
    tell();
    if (isOver || isSending || !kept.from) return;
    isOver = left() < -2000 * speed() || (endedAt > 0 && Date.now() - endedAt > 2000);
    if (isOver) finish();
  }, 250);
  tell();
}
// The item before and the one after. A recording needs the arrow keys for its frames.
const NEIGHBOURS = { p: 'prev', n: 'next', ...el('screen') ? {} : { ArrowLeft: 'prev', ArrowRight: 'next' } };
on(document, 'keydown', e => {
  if (!isTyped(e) && NEIGHBOURS[e.key]) document.querySelector(`.top [rel=${NEIGHBOURS[e.key]}]`)?.click();
});
if (el('screen')) {
  const main = el('main'), canvas = el('screen'), seek = el('seek'), play = el('play'), speed = el('speed');
  const paper = canvas.getContext('2d');
  const began = +main.dataset.began, duration = +main.dataset.duration / 1e6, count = +main.dataset.frames;
  const base = `api/v1/media/${main.dataset.id}/`;
  const SPEEDS = [...speed.options].map(option => option.value);
  const LINK_MS = 1000; // the address follows so often while it plays

  let at = +seek.value; // of the picture that is shown, or is on its way
  let number = null; // its number, from 0
  let replay = null; // under way
  let linkedAt = 0;

  const wall = us => local(us / 1000).slice(11, 23);
  const tell = () => {
    const share = `${duration ? Math.min(100, at / duration * 100) : 0}%`;
    el('played').setAttribute('width', share);
    for (const x of ['x1', 'x2']) el('head-line').setAttribute(x, share);
    seek.value = at;
    seek.setAttribute('aria-valuetext', `${running(at)} of ${running(duration)}`);
    put('at', running(at));
    put('number', number === null ? '' : `Frame ${number + 1} of ${Math.max(count, number + 1)}`);
  };
  // To the picture, never before it: a thousandth later is still the same one.
  const here = () => Math.ceil(at * 1000 - 1e-6) / 1000;
  const link = () => {
    const address = `${main.dataset.here}&t=${here()}`;
    el('link').href = address;
    el('frame').href = `${base}frame.jpg?t=${here()}&download=1`;
    if (replay && Date.now() - linkedAt < LINK_MS) return;
    linkedAt = Date.now();
    history.replaceState(null, '', address);
  };
  const look = () => {
    put('play', replay ? 'Pause' : 'Play');
    if (!replay) link();
  };
  const failed = e => put('said', `This could not be played: ${e.message}`);

  // A picture with what its headers say of it, if it is still wanted when it is decoded.
  const show = async (jpeg, header, isWanted) => {
    const image = await createImageBitmap(jpeg);
    if (!isWanted()) { image.close(); return; }
    const { width, height } = image;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    paper.drawImage(image, 0, 0);
    image.close();
    const us = Math.round(+header('X-Timestamp') * 1e6);
    at = header('X-Time') === null ? (us - began) / 1e6 : +header('X-Time');
    number = header('X-Frame') === null ? null : +header('X-Frame');
    const stamp = el('stamp');
    stamp.textContent = wall(us);
    stamp.dataset.us = us;
    stamp.dateTime = new Date(us / 1000).toISOString();
    main.dataset.shown = +(main.dataset.shown ?? 0) + 1;
    put('said', '');
    tell();
    link();
  };

  let wanted = null;
  const askFor = newestOnly(async query => {
    const isWanted = () => wanted === query && !replay;
    if (!isWanted()) return;
    try {
      const answer = await fetch(`${base}frame.jpg?${query}`);
      if (!answer.ok) throw new Error(`the server answered ${answer.status}.`);
      await show(await answer.blob(), name => answer.headers.get(name), isWanted);
    } catch (e) { if (isWanted()) failed(e); }
  });
  const one = query => askFor(wanted = query);

  const HEAD_END = [13, 10, 13, 10];
  const find = (bytes, from) => {
    for (let i = bytes.indexOf(13, from); i >= 0; i = bytes.indexOf(13, i + 1)) {
      if (HEAD_END.every((byte, k) => bytes[i + k] === byte)) return i;
    }
    return -1;
  };
  // Takes whole parts off the front of `bytes`: what is left, and the last part.
  const parts = bytes => {
    let from = 0, last = null;
    for (;;) {
      const end = find(bytes, from);
      if (end < 0) break;
      const head = new TextDecoder().decode(bytes.subarray(from, end));
      const of = name => head.match(new RegExp(`^${name}: *(.*?)\r?$`, 'im'))?.[1] ?? null;
      const length = of('Content-Length');
      if (length === null) { from = end + 4; continue; }
      if (bytes.length < end + 4 + +length) break;
      last = { jpeg: new Blob([bytes.subarray(end + 4, end + 4 + +length)], { type: 'image/jpeg' }), of };
      from = end + 4 + +length;
    }
    return [bytes.subarray(from), last];
  };
  const start = async () => {
    if (at >= duration - 0.001 || (number !== null && number >= count - 1)) {
      if (main.dataset.item) { one(`t=${here()}`); return; } // going back would take back the taps
      at = 0;
    }
    const mine = replay = new AbortController();
    wanted = null;
    look();
    try {
      const answer = await fetch(`${base}frames?from=${here()}&speed=${speed.value}`, { signal: mine.signal });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}.`);
      const reader = /** @type {ReadableStream} */ (answer.body).getReader();
      let left = new Uint8Array();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          document.dispatchEvent(new Event('played'));
          break;
        }
        const all = new Uint8Array(left.length + value.length);
        all.set(left);
        all.set(value, left.length);
        let part;
        [left, part] = parts(all);
        if (part) await show(part.jpeg, part.of, () => replay === mine);
      }
    } catch (e) { if (replay === mine && e.name !== 'AbortError') failed(e); }
    if (replay === mine) stop();
  };
  const stop = () => {
    const was = replay;
    replay = null;
    was?.abort();
    look();
  };
  const toggle = () => { if (replay) stop(); else start(); };
  const go = t => {
    const isPlaying = !!replay;
    if (isPlaying) stop();
    [at, number] = [clamp(t, 0, duration), null];
    tell();
    if (isPlaying) start(); else one(`t=${here()}`);
  };
  const step = by => {
    if (replay) stop();
    if (number === null) { one(`t=${here()}`); return; }
    const to = clamp(number + by, 0, Math.max(0, count - 1));
    if (to === number) return;
    number = to; // steps that come before the picture add up
    one(`n=${number}`);
  };

  on(play, 'click', toggle);
  on(el('back'), 'click', () => step(-1));
  on(el('on'), 'click', () => step(1));
  on(speed, 'change', () => { if (replay) { stop(); start(); } });
  let wasPlaying = false;
  on(seek, 'input', () => {
    if (replay) { wasPlaying = true; stop(); }
    [at, number] = [+seek.value, null];
    tell();
    one(`t=${here()}`);
  });
  on(seek, 'change', () => { if (wasPlaying) { wasPlaying = false; start(); } });
  on(el('deck'), 'submit', e => { e.preventDefault(); toggle(); });
  on(canvas, 'click', toggle);

  const faster = by => {
    speed.value = SPEEDS[clamp(SPEEDS.indexOf(speed.value) + by, 0, SPEEDS.length - 1)];
    speed.dispatchEvent(new Event('change'));
  };
  const keys = {
    ' ': toggle, k: toggle,
    ArrowLeft: e => e.shiftKey ? go(at - 5) : step(-1), ArrowRight: e => e.shiftKey ? go(at + 5) : step(1),
    Home: () => go(0), End: () => go(duration), '<': () => faster(-1), '>': () => faster(1),
    f: () => document.fullscreenElement ? document.exitFullscreen() : el('shot').requestFullscreen?.(),
  };
  on(document, 'keydown', e => {
    // A button and a link keep what Space and Enter do with them.
    if (isTyped(e) || !keys[e.key] || (e.key === ' ' && e.target.closest('button, a, summary'))) return;
    e.preventDefault();
    keys[e.key](e);
  });

  const video = el('video');
  if (video) {
    const words = el('making').textContent;
    const follow = async () => {
      for (let misses = 0; misses < 3;) {
        await new Promise(done => setTimeout(done, 1000));
        const now = await making().catch(() => null);
        if (now?.id !== +main.dataset.id) { misses++; continue; }
        misses = 0;
        const left = now.seconds_left === null ? '' : `, about ${running(now.seconds_left)} left`;
        put('making', `Making the video: ${Math.floor(now.done * 100)} %${left}.`);
      }
      put('making', words);
    };
    on(video, 'click', async e => {
      e.preventDefault();
      const now = await making().catch(() => null);
      if (now) {
        put('making', `A video is being made already: ${Math.floor(now.done * 100)} %. Try again when it is finished.`);
        return;
      }
      put('making', 'Making the video. It is saved while it is made.');
      video.cloneNode().click(); // a failure is a failed download, and the page stays
      follow();
    });
  }

  for (const id of ['play', 'back', 'on']) el(id).style.visibility = 'visible';
  addEventListener('pagehide', () => replay?.abort());
  on(document, 'visibilitychange', () => { if (document.hidden && replay) stop(); });
  tell();
  one(`t=${here()}`);
}
