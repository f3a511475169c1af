// Keeps the head of a page true where no picture does: asks api/v1/state every few seconds.
'use strict';
{
  const ASK_MS = 5000, PATIENCE_MS = 4000;
  let timer = 0;
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
    if (!document.hidden) timer = setTimeout(ask, ASK_MS);
  };
  document.addEventListener('visibilitychange', () => { if (!document.hidden) ask(); });
  timer = setTimeout(ask, ASK_MS);
}
