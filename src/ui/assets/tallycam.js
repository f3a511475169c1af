// Keeps the live page live by api/v1/state. The page works without this file.
// @ts-check
'use strict';
{
  const [shot, last, picture, over] = ['shot', 'last', 'picture', 'over'].map(el);

  const isOnly = el('main').dataset.only === 'counts'; // figures only: there is no stream to show
  const onlyWords = over.innerHTML;

  const LET_GO_MS = 4000; // out of sight for so long, the page lets its stream go
  const ASK_MS = 1000, ASK_HIDDEN_MS = 10_000, SLOW_MS = 4000;
  const STILL_MS = 10_000; // a still picture may be a broken stream
  const STILLS_MS = 500; // between two stills in place of the stream

  let state = null; // the newest answer
  let answeredAt = Date.now(); // when it came
  let isLost, isLetGo, isRefused;
  let pausedAt = 0, hasActed = false; // when it was paused from here; whether its answer is awaited
  let lastAt = null; // when the picture on the canvas was shown
  let timer = 0, letGoTimer = 0, turn = 0;

  const day = ms => local(ms).slice(0, 10);
  const since = text => {
    const ms = Date.parse(text);
    return isNaN(ms) ? '' : ` since ${day(ms) === day(Date.now()) ? '' : day(ms) + ' '}${exact(ms).slice(0, 5)}`;
  };
  const rate = fps => fps > 0 ? `${fps.toFixed(fps < 1 ? 2 : 1)} fps` : 'no frames';
  const count = n => n === 1 ? '1 viewer' : `${n} viewers`;

  let stops = '';
  const showStops = s => {
    const now = `${s.viewers} ${s.held} ${!!s.recording?.now}`;
    if (el('pause').open && stops !== now) renew('stops');
    stops = now;
  };
  on(document, 'toggle', e => { if (e.target.id === 'pause' && e.target.open) renew('stops'); }, true);

  // Keeps what is shown now, for when nothing newer comes.
  const keep = () => {
    if (!picture.naturalWidth || shot.dataset.show) return;
    last.getContext('2d').drawImage(picture, 0, 0, last.width, last.height);
    lastAt = Date.now();
  };

  const asMine = () => (myView.half ? '&scale=1/2' : '') + (myView.rotate ? `&rotate=${myView.rotate}` : '')
    + (myView.mirror ? '&mirror=1' : '') + (myView.flip ? '&flip=1' : '');
  const nextPicture = () => {
    if (!isLetGo) picture.src = `${hasRoom ? 'stream' : 'snapshot.jpg'}?r=${Date.now()}${asMine()}`;
  };
  const stream = () => {
    isLetGo = false;
    if (isOnly) return;
    still.since = Date.now();
    claim();
    hasRoom = findRoom();
    nextPicture();
  };

  // Over HTTP/1.1 a browser opens six connections to a host: streams and the cameras' events share four. The window
  // that had the focus last has the first claim; one without room shows stills. Each window writes its own note.
  const ROOM = 4, NOTED_MS = 5000, NOTE = 'tallycam-live-';
  const note = NOTE + Math.random().toString(36).slice(2), camera = new URL('.', location.href).pathname;
  let hasRoom = true, focusedAt = Date.now(), latest = 0, stillTimer = 0;
  const isShared = !/^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);
  const claim = () => store(note, { at: Date.now(), focusedAt, camera });
  const findRoom = () => {
    if (!isShared) return true;
    try {
      const now = Date.now(), cameras = new Set([camera]);
      let ahead = 0;
      for (const key of Object.keys(localStorage).filter(key => key.startsWith(NOTE) && key !== note)) {
        const other = recall(key);
        if (!other) continue; // just closed
        latest = Math.max(latest, other.focusedAt);
        if (Math.abs(now - other.at) > NOTED_MS) { localStorage.removeItem(key); continue; } // it crashed
        cameras.add(other.camera);
        if (other.focusedAt > focusedAt || (other.focusedAt === focusedAt && key > note)) ahead++;
      }
      return ahead < Math.max(1, ROOM - cameras.size);
    } catch { return true; } // nothing may be stored
  };
  const leave = () => { try { localStorage.removeItem(note); } catch { /* nothing may be stored */ } };
  const makeRoom = () => {
    if (isLetGo || isOnly || hasRoom === findRoom()) return;
    keep();
    picture.removeAttribute('src'); // its connection is free at once
    stream();
    if (state) show();
  };
  addEventListener('focus', () => {
    focusedAt = Math.max(Date.now(), latest + 1);
    if (!isLetGo && !isOnly) claim();
    makeRoom();
  });
  addEventListener('storage', e => { if (e.key?.startsWith(NOTE)) makeRoom(); });
  addEventListener('pagehide', leave);

  // No event tells that a multipart stream ended: a small copy of the picture is compared.
  const still = { since: Date.now(), patience: STILL_MS };
  const sheet = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
  /** @type {any} */
  const paper = sheet.getContext('2d', { willReadFrequently: true });
  const lookOfLast = () => {
    paper.drawImage(last, 0, 0, 64, 36); // scaled, the picture itself would vary
    return paper.getImageData(0, 0, 64, 36).data.join();
  };
  const watchForStillness = s => {
    const look = lookOfLast();
    if (s.pictures === still.pictures) still.since = Date.now(); // nothing new
    else if (look !== still.look) { still.since = Date.now(); still.patience = STILL_MS; }
    [still.look, still.pictures] = [look, s.pictures];
    if (Date.now() - still.since > still.patience) { still.patience = Math.min(still.patience * 2, 320_000); stream(); }
  };

  on(picture, 'error', () => {
    if (isLetGo || isLost || isOnly) return;
    isRefused = true;
    if (state) show();
    setTimeout(() => { if (!isLetGo && !isLost) stream(); }, 3000);
  });
  on(picture, 'load', () => {
    if (isRefused) { isRefused = false; show(); }
    clearTimeout(stillTimer);
    if (!hasRoom) stillTimer = setTimeout(nextPicture, STILLS_MS);
  });

  const words = (look, s) => {
    switch (look) {
      case 'lost': return ['Connection lost',
        `No answer from ${location.hostname} for ${Math.round((Date.now() - answeredAt) / 1000)} s. `
          + (lastAt ? `The last frame is from ${exact(lastAt)}. ` : ''), 'This page reconnects automatically.'];
      case 'paused': return [`Paused${since(s.since)}`,
        (pausedAt ? '' : 'Stopped from another page or program. ')
          + 'The camera is off, and nobody sees it until Resume or a restart.',
        lastAt ? `Last frame ${exact(lastAt)}.` : ''];
      case 'idle': case 'starting': return ['Starting the camera',
        'It is off while nobody watches. The first frame arrives in a moment.', ''];
      case 'trouble': return [s.headline, sentence(s.reason), sentence(s.hint)];
      default: return ['No stream', 'The server sent no stream: there may be too many viewers.',
        'This page tries again.'];
    }
  };

  const CROWDED = 'This window shows stills: the browser allows no more streams from this host. '
    + 'The windows used last are live';
  let said = null;
  const show = () => {
    const look = isLost ? 'lost' : lookOf(state.state);
    const isBare = look === 'live' && !isRefused && !isOnly;
    const isQuiet = isOnly && ['live', 'idle', 'starting'].includes(look);
    const [head, why, todo] = isBare || isQuiet ? ['', '', ''] : words(look, state);
    document.body.dataset.look = look;
    shot.dataset.show = isBare ? '' : (look === 'lost' || look === 'paused') && lastAt ? 'last' : 'words';
    over.hidden = isBare;
    if (!isQuiet) { put('over-head', head); put('over-why', why); put('over-do', todo); }
    else if (over.innerHTML !== onlyWords) over.innerHTML = onlyWords;
    const headline = isLost ? head : headlineOf(state);
    if (headline !== said) {
      const news = isLost ? [head] : [headline, (worstOf(state) ?? state).reason, state.hint];
      if (said !== null) put('news', news.map(sentence).join(' ').trim());
      said = headline;
      document.title = `${headline} · ${el('name').textContent} · tallycam`;
    }
    put('headline', headline);
    // Nothing that only the server can do is offered.
    for (const one of document.querySelectorAll('.bar button:not([data-mine], #boxes)')) one.disabled = isLost;
    el('snapshot').hidden = isOnly || ['trouble', 'paused', 'lost'].includes(look);
    if (isLost) { put('figures', ''); put('state', `Connection lost, last answer ${exact(answeredAt)}`); return; }
    const s = state;
    put('figures', look === 'live' ? `${hasRoom ? rate(s.fps) : 'stills'}, ${s.viewers} watching` : '');
    put('state', s.headline + (look === 'idle' || look === 'starting' ? '' : since(s.since)));
    put('size', s.width ? `${s.width} × ${s.height}` : '–');
    put('rate', rate(s.fps));
    put('viewers', (s.viewers ? count(s.viewers) : 'nobody') + (s.held ? ', held open' : ''));
    put('camera', (s.camera || s.source || '').split(' (/')[0]);
    showStops(s);
    put('notes', [...hasRoom ? [] : [CROWDED], ...s.notes].map(sentence).join(' '));
    el('simulated').hidden = !s.simulated;
    const isPaused = look === 'paused';
    if (el('main').dataset.locked === undefined && el('pause').hidden !== isPaused) renew('resume', 'pause');
  };

  const setSize = ([width, height]) => {
    if (last.width === width && last.height === height) return;
    [last.width, last.height] = [width, height];
    lastAt = null;
  };

  const take = s => {
    if (state && state.version !== s.version) return location.reload(); // its own page
    const isNewRun = isLost || (state && s.uptime_s < state.uptime_s);
    if (!isNewRun && s.state === 'live' && state?.state === 'live') keep();
    if (s.width) setSize(turnedSize([s.width, s.height]));
    if (s.state !== 'paused' && Date.now() - pausedAt > SLOW_MS) pausedAt = 0;
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
    const { state: s, isLost: isGone } = await askState();
    if (mine !== turn || isLetGo) return;
    if (s) take(s);
    else if (isGone) {
      if (!isLost && state?.state === 'live') keep();
      isLost = true;
      show();
      document.dispatchEvent(new CustomEvent('state', { detail: null }));
    }
    timer = setTimeout(ask, document.hidden ? ASK_HIDDEN_MS : ASK_MS);
  };

  // A picture that moves tells that the server is there.
  setInterval(() => {
    if (document.hidden || isLetGo) return;
    if (!isOnly) claim();
    makeRoom();
    const silent = Date.now() - answeredAt;
    if (isLost || silent < 2 * ASK_MS) return;
    if (state?.state === 'live' && !isOnly) {
      keep();
      const look = lookOfLast();
      if (look !== still.look) heard();
      still.look = look;
    }
    if (silent > SLOW_MS) put('figures', `no answer for ${Math.round(silent / 1000)} s`);
  }, ASK_MS);

  const letGoLater = () => {
    letGoTimer = setTimeout(() => {
      if (state?.state === 'live') keep();
      isLetGo = true;
      clearTimeout(timer);
      picture.removeAttribute('src');
      leave();
    }, LET_GO_MS);
  };

  on(document, 'visibilitychange', () => {
    clearTimeout(letGoTimer);
    if (document.hidden) return letGoLater();
    focusedAt = Date.now();
    if (isLetGo) stream();
    ask();
  });

  // ---- this browser's own view

  const mine = document.querySelector('#mine'); // not where figures alone are shown
  const showMine = () => {
    shot.classList.toggle('gray', !!myView.gray);
    for (const button of mine?.querySelectorAll('[aria-pressed][data-mine]') ?? []) {
      button.setAttribute('aria-pressed', !!myView[button.dataset.mine]);
    }
  };
  mine?.classList.remove('js');
  on(mine, 'click', e => {
    const what = e.target.dataset.mine;
    if (!what) return;
    if (what === 'left' || what === 'right') myView.rotate = (myView.rotate + (what === 'left' ? 270 : 90)) % 360;
    else myView[what] = !myView[what];
    store(MINE, myView);
    showMine();
    if (what === 'gray') return;
    if (state?.width) setSize(turnedSize([state.width, state.height]));
    stream();
    document.dispatchEvent(new CustomEvent('view'));
  });
  showMine();

  on(document, 'submit', e => {
    hasActed = e.target.matches('#resume, #pause form');
    if (!e.target.closest('#pause')) return;
    if (state?.state === 'live' && !isLost) keep();
    pausedAt = Date.now();
  });
  on(document, 'swap', ({ detail: parts }) => {
    if (!hasActed || !parts.includes('pause')) return;
    hasActed = false;
    ask();
  });

  on(el('snapshot'), 'click', e => {
    const link = e.target, now = Date.now();
    link.dataset.base ??= link.download.slice(0, -4);
    link.download = `${link.dataset.base}-${day(now)}-${exact(now).replaceAll(':', '')}.jpg`;
  });

  // On an iPhone the link opens the stream.
  const fullScreen = e => {
    if (!document.fullscreenEnabled) return;
    e.preventDefault();
    if (document.fullscreenElement) document.exitFullscreen();
    else shot.requestFullscreen().catch(() => {});
  };
  on(el('full'), 'click', fullScreen);
  on(shot, 'dblclick', fullScreen);

  on(document, 'keydown', e => {
    if (e.key === 'f' && !isTyped(e)) fullScreen(e);
  });

  isLetGo = document.hidden; // a tab that was opened in the background
  if (!isLetGo) { stream(); ask(); }
}
// Snapshot and Record.
if (el('record')) {
  const PARTS = ['keep', 'record', 'newest', 'kept-none'];
  let shown = null, timer = 0;

  const isStop = () => el('record').getAttribute('action')?.endsWith('stop');
  on(document, 'swap', ({ detail: parts }) => {
    if (!parts.includes('kept-said')) return;
    clearTimeout(timer);
    timer = setTimeout(() => el('kept-said').replaceChildren(), 2e4);
  });

  // The camera's state decides about beginning; a recording can always be ended.
  on(document, 'state', async ({ detail: s }) => {
    if (!s?.recording) return;
    const { now } = s.recording, id = now?.id ?? 0, canTake = ['live', 'idle', 'starting'].includes(s.state);
    if (now) put('record-figures', `${running(now.duration)}, ${size(now.bytes)}`);
    shown ??= id;
    const isStale = el('keep').hidden === canTake || isStop() !== !!now || id !== shown;
    if (isStale && await renew(...PARTS)) shown = id;
  });
  on(document, 'visibilitychange', () => { if (!document.hidden) renew(...PARTS); });

  on(document, 'keydown', e => {
    if (isTyped(e)) return;
    const form = { s: el('keep'), r: el('record') }[e.key];
    if (form && !form.hidden) form.requestSubmit();
  });
}
