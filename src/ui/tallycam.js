// Keeps the live page live: asks api/v1/state once a second and puts the answer into the page's
// words. The page works without this file, and nothing here moves the layout.
'use strict';
{
  const [shot, last, picture, over, pause, resume] = ['shot', 'last', 'picture', 'over', 'pause', 'resume'].map(el);

  const isOnly = el('main').dataset.only === 'counts'; // figures only: there is no stream to show

  const LET_GO_MS = 4000; // out of sight for so long, the page lets its stream go: a browser has six for a host
  const ASK_MS = 1000, ASK_HIDDEN_MS = 10_000, PATIENCE_MS = 4000;
  const STILL_MS = 10_000; // a still picture may be a broken stream

  let state = null; // the newest answer
  let answeredAt = Date.now(); // when it came
  let isLost, isLetGo, isRefused, isSending, isMyPause;
  let lastAt = null; // when the picture on the canvas was shown
  let timer = 0, letGoTimer = 0, turn = 0;

  // ---- words

  const day = ms => local(ms).slice(0, 10);
  const since = text => {
    const ms = Date.parse(text);
    return isNaN(ms) ? '' : ` since ${day(ms) === day(Date.now()) ? '' : day(ms) + ' '}${exact(ms).slice(0, 5)}`;
  };
  const rate = fps => fps > 0 ? `${fps.toFixed(fps < 1 ? 2 : 1)} fps` : 'no pictures now';
  const count = n => n === 1 ? '1 viewer' : `${n} viewers`;

  const lookOf = word => ['live', 'asleep', 'waking', 'paused'].includes(word) ? word : 'trouble';
  const stops = s => (s.viewers ? `The picture stops for ${count(s.viewers)}` : 'Nobody is watching now; the picture stops')
    + (s.held ? ', also for the program that holds the camera by /start_stream' : '')
    + (s.recording?.now ? ', the recording ends, and nothing is kept or counted' : '') + ', until Resume or a restart.';

  // ---- the picture

  // Keeps what is shown now, for when nothing newer comes.
  const keep = () => {
    if (!picture.naturalWidth || shot.dataset.show) return;
    last.getContext('2d').drawImage(picture, 0, 0, last.width, last.height);
    lastAt = Date.now();
  };

  const stream = () => { isLetGo = false; still.since = Date.now(); if (!isOnly) picture.src = 'stream?r=' + Date.now(); };

  // No event tells that a multipart stream ended: the picture just stands still. So a small copy
  // is compared; a scene that never changes only costs a new stream now and then.
  const still = { since: Date.now(), patience: STILL_MS };
  const paper = Object.assign(document.createElement('canvas'), { width: 64, height: 36 }).getContext('2d', { willReadFrequently: true });
  const watchForStillness = s => {
    paper.drawImage(last, 0, 0, 64, 36); // scaled, the picture itself would vary
    const look = paper.getImageData(0, 0, 64, 36).data.join();
    if (s.pictures === still.pictures) still.since = Date.now(); // nothing new
    else if (look !== still.look) { still.since = Date.now(); still.patience = STILL_MS; }
    [still.look, still.pictures] = [look, s.pictures];
    if (Date.now() - still.since > still.patience) { still.patience = Math.min(still.patience * 2, 320_000); stream(); }
  };

  picture.addEventListener('error', () => {
    if (isLetGo || isLost || isOnly) return;
    isRefused = true;
    if (state) show();
    setTimeout(() => { if (!isLetGo && !isLost) stream(); }, 3000);
  });
  picture.addEventListener('load', () => { if (isRefused) { isRefused = false; show(); } });

  // ---- what the page shows

  const words = (look, s) => {
    switch (look) {
      case 'lost': return ['Connection lost', `No answer from ${location.hostname} for ${Math.round((Date.now() - answeredAt) / 1000)} s. `
        + (lastAt ? `The picture is from ${exact(lastAt)}. ` : ''), 'This page connects again by itself.'];
      case 'paused': return [`Paused${since(s.since)}`,
        (isMyPause ? '' : 'Stopped from another page or program. ') + 'The camera is off, and nobody sees it until Resume or a restart.',
        lastAt ? `Last picture ${exact(lastAt)}.` : ''];
      case 'only': return ['Figures only', 'This camera counts and shows no picture to anyone.', '`[privacy] counts_only` is on.'];
      case 'asleep': case 'waking': return ['Waking the camera', 'It sleeps while nobody watches. The first picture comes in a moment.', ''];
      case 'trouble': return [s.headline, sentence(s.reason), sentence(s.hint)];
      default: return ['No stream', 'The server gave this page no picture: perhaps too many are watching.', 'It is asked again.'];
    }
  };

  let said = null;
  const show = () => {
    const look = isLost ? 'lost' : lookOf(state.state);
    const isBare = look === 'live' && !isRefused && !isOnly;
    const isQuiet = isOnly && ['live', 'asleep', 'waking'].includes(look);
    const [head, why, todo] = isBare ? ['', '', ''] : words(isQuiet ? 'only' : look, state);
    document.body.dataset.look = look;
    shot.dataset.show = isBare ? '' : (look === 'lost' || look === 'paused') && lastAt ? 'last' : 'words';
    over.hidden = isBare;
    put('over-head', head); put('over-why', why); put('over-do', todo);
    const headline = isLost ? head : state.headline;
    if (headline !== said) {
      if (said !== null) put('news', (isLost ? [head] : [headline, state.reason, state.hint]).map(sentence).join(' ').trim());
      said = headline;
      document.title = `${headline} · ${el('name').textContent} · tallycam`;
    }
    put('headline', headline);
    if (isLost) { put('figures', ''); put('state', `Connection lost, last answer ${exact(answeredAt)}`); return; }
    const s = state;
    put('figures', look === 'live' ? `${rate(s.fps)}, ${s.viewers} watching` : '');
    put('state', s.headline + (look === 'asleep' || look === 'waking' ? '' : since(s.since)));
    put('size', s.width ? `${s.width} × ${s.height}${s.format ? ' ' + s.format : ''}` : 'not known yet');
    put('rate', rate(s.fps));
    put('viewers', (s.viewers ? count(s.viewers) : 'nobody') + (s.held ? ', held open' : ''));
    put('camera', s.camera || s.source || '');
    put('stops', stops(s));
    put('notes', s.notes.map(sentence).join(' '));
    el('simulated').hidden = !s.simulated;
    el('snapshot').hidden = isOnly || look === 'trouble' || look === 'paused';
    const isPaused = look === 'paused';
    if (pause.hidden !== isPaused) {
      const [from, to] = isPaused ? [pause, resume] : [resume, pause];
      const hadFocus = from.contains(document.activeElement);
      from.hidden = true; to.hidden = pause.open = false;
      if (hadFocus) to.firstElementChild.focus();
    }
  };

  // ---- asking

  const take = s => {
    if (state && state.version !== s.version) return location.reload(); // its own page
    const isNewRun = isLost || (state && s.uptime_s < state.uptime_s);
    if (!isNewRun && s.state === 'live' && state?.state === 'live') keep();
    if (s.width && (last.width !== s.width || last.height !== s.height)) {
      [last.width, last.height] = [s.width, s.height];
      lastAt = null;
    }
    if (s.state !== 'paused' && !isSending) isMyPause = false;
    state = s; answeredAt = Date.now(); isLost = false;
    if (isNewRun) { isRefused = false; stream(); }
    show();
    document.dispatchEvent(new CustomEvent('state', { detail: s }));
    if (s.state === 'live' && !isRefused && !isOnly && !document.hidden) watchForStillness(s);
    else still.since = Date.now();
  };

  const ask = async () => {
    clearTimeout(timer);
    const mine = ++turn; // older answers are dropped
    let s = null;
    try {
      const answer = await fetch('api/v1/state', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok) s = await answer.json();
    } catch { /* no answer */ }
    if (mine !== turn || isLetGo) return;
    if (s) take(s);
    else {
      if (!isLost && state?.state === 'live') keep();
      isLost = true;
      show();
      document.dispatchEvent(new CustomEvent('state', { detail: null }));
    }
    timer = setTimeout(ask, document.hidden ? ASK_HIDDEN_MS : ASK_MS);
  };

  const letGoLater = () => {
    letGoTimer = setTimeout(() => {
      if (state?.state === 'live') keep();
      isLetGo = true;
      clearTimeout(timer);
      picture.removeAttribute('src');
    }, LET_GO_MS);
  };

  if (document.hidden) letGoLater(); // a tab that was opened in the background
  document.addEventListener('visibilitychange', () => {
    clearTimeout(letGoTimer);
    if (document.hidden) return letGoLater();
    if (isLetGo) stream();
    ask();
  });

  // ---- actions

  // Sends `form` without leaving the page.
  const go = async (form, what) => {
    put('said', '');
    isSending = true;
    try { await send('POST', form.getAttribute('action')); } catch (e) { put('said', `${what} did not go through: ${e.message}`); }
    isSending = false;
    ask();
  };
  pause.querySelector('form').addEventListener('submit', e => {
    e.preventDefault();
    if (state?.state === 'live' && !isLost) keep();
    isMyPause = true;
    go(e.target, 'Pause');
  });
  resume.addEventListener('submit', e => { e.preventDefault(); go(e.target, 'Resume'); });

  el('snapshot').addEventListener('click', e => {
    const link = e.target, now = Date.now();
    link.dataset.base ??= link.download.slice(0, -4);
    link.download = `${link.dataset.base}-${day(now)}-${exact(now).replaceAll(':', '')}.jpg`;
  });

  // Where only videos may fill the screen (iPhone), the link opens the stream.
  const fullScreen = e => {
    if (!document.fullscreenEnabled) return;
    e.preventDefault();
    if (document.fullscreenElement) document.exitFullscreen();
    else shot.requestFullscreen().catch(() => {});
  };
  el('full').addEventListener('click', fullScreen);
  shot.addEventListener('dblclick', fullScreen);

  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea')) return;
    if (e.key === 'f') fullScreen(e);
  });

  ask();
}
