// Snapshot and Record. The forms work without this file.
// @ts-check
'use strict';
{
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
