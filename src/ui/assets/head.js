// Keeps the head of a page true by asking for the state; also the log and the page of all cameras.
// @ts-check
'use strict';
{
  const ASK_MS = 5000, PATIENCE_MS = 4000;
  let timer = 0;
  // Who reads further up, or marks a line, is left alone.
  const lines = /** @type {Part} */ (document.querySelector('ol.lines'));
  const atEnd = () => lines.scrollTop + lines.clientHeight > lines.scrollHeight - 40;
  if (lines) lines.scrollTop = lines.scrollHeight;
  const renewLog = async () => {
    const fresh = (await freshPage(location.href, PATIENCE_MS)).querySelector('ol.lines'), isAtEnd = atEnd();
    if (!fresh || fresh.textContent === lines.textContent || `${getSelection()}`) return;
    lines.replaceChildren(...fresh.childNodes);
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  };
  const ask = async () => {
    clearTimeout(timer);
    const { state: s, isLost } = await askState();
    if (s) document.dispatchEvent(new CustomEvent('state', { detail: s }));
    if (s || isLost) {
      document.body.dataset.look = isLost ? 'lost' : lookOf(s.state);
      put('headline', isLost ? 'Connection lost' : headlineOf(s));
    }
    if (lines && s) await renewLog().catch(() => { /* the next time */ });
    if (!document.hidden) timer = setTimeout(ask, ASK_MS);
  };
  if (document.querySelector('#all > .cams')) setInterval(() => { if (!document.hidden) renew('all'); }, 10_000);
  // A camera that restarts: this page waits until it is away and answers again.
  if (document.getElementById('comes-back')) {
    let wasAway = false, tries = 0;
    const wait = async () => {
      const isHere = await fetch('health', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) })
        .then(() => true, () => false);
      if (isHere && (wasAway || ++tries > 15)) location.assign('./');
      wasAway ||= !isHere;
      setTimeout(wait, 1000);
    };
    wait();
  }
  // The clock of a machine that no network sets: its form takes this browser's time.
  const own = document.getElementById('own-time');
  if (own) {
    own.classList.remove('js');
    on(own, 'click', () => {
      const time = /** @type {any} */ (own).form.elements.time;
      time.type = 'text';
      time.value = new Date().toISOString();
      own.form.requestSubmit();
    });
  }
  on(document, 'visibilitychange', () => { if (!document.hidden) ask(); });
  timer = setTimeout(ask, ASK_MS);
}
