// Keeps the head of a page true where no picture does: asks api/v1/state every few seconds; and the log that of its page.
'use strict';
{
  const ASK_MS = 5000, PATIENCE_MS = 4000;
  let timer = 0;
  // Who reads further up, or marks a line, is left alone.
  const lines = document.querySelector('ol.lines'), atEnd = () => lines.scrollTop + lines.clientHeight > lines.scrollHeight - 40;
  if (lines) lines.scrollTop = lines.scrollHeight;
  const renew = async () => {
    const fresh = (await freshPage(location.href, PATIENCE_MS)).querySelector('ol.lines'), isAtEnd = atEnd();
    if (!fresh || fresh.textContent === lines.textContent || getSelection().toString()) return;
    lines.replaceChildren(...fresh.childNodes);
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  };
  const ask = async () => {
    clearTimeout(timer);
    let [look, headline] = ['lost', 'Connection lost'];
    try {
      const answer = await fetch('api/v1/state', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok) {
        const s = await answer.json();
        document.dispatchEvent(new CustomEvent('state', { detail: s }));
        [look, headline] = [['live', 'asleep', 'waking', 'paused'].includes(s.state) ? s.state : 'trouble', s.headline];
      }
    } catch { /* no answer */ }
    document.body.dataset.look = look;
    put('headline', headline);
    if (lines && look !== 'lost') await renew().catch(() => { /* the next time */ });
    if (!document.hidden) timer = setTimeout(ask, ASK_MS);
  };
  document.addEventListener('visibilitychange', () => { if (!document.hidden) ask(); });
  timer = setTimeout(ask, ASK_MS);
}
