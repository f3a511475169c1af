// Keeps pictures from the live page without leaving it: Snapshot and Record, the time and size of a recording as it
// grows, the newest that is kept, and what is wrong with the disk. The forms work without this file.
'use strict';
{
  const keep = el('keep'), record = el('record'), button = el('record-button');
  let now, isBusy = false, isFirst = true, trouble = null;
  const say = text => put('kept-said', text);

  // The strip is the server's: the same page is fetched again, and its part put in place of the old one.
  const renew = async () => {
    try {
      const page = await freshPage('./');
      for (const id of ['newest', 'kept-none', 'disk']) {
        const [was, is] = [el(id), page.getElementById(id)];
        if (was && is && was.outerHTML !== is.outerHTML && !was.contains(document.activeElement)) was.replaceWith(is);
      }
    } catch { /* the next time */ }
  };

  // The page asks for the state once a second. What the camera is decides what can be begun; what runs can always
  // be ended.
  document.addEventListener('state', ({ detail: s }) => {
    if (!s?.recording) return;
    const was = now;
    now = s.recording.now;
    const canTake = ['live', 'asleep', 'waking'].includes(s.state);
    keep.hidden = !canTake;
    record.hidden = !canTake && !now;
    record.setAttribute('action', `recordings?do=${now ? 'stop' : 'start'}`);
    put('record-word', now ? 'Stop recording' : 'Record');
    put('record-figures', now ? `${running(now.duration)}, ${size(now.bytes)}` : '');
    const is = [s.storage?.trouble, s.storage?.full, now && s.recording.trouble].join();
    if (!isFirst && (was?.id !== now?.id || is !== trouble)) renew();
    [trouble, isFirst] = [is, false];
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) renew(); });

  const act = (form, what) => form.addEventListener('submit', async e => {
    e.preventDefault();
    if (isBusy) return;
    isBusy = true;
    say('');
    try { say(await what()); } catch (error) { say(error.message); }
    isBusy = false;
    await renew();
  });
  act(keep, async () => {
    const item = await send('POST', 'snapshots', {});
    return `Saved as ${item.name}.`;
  });
  act(record, async () => {
    button.disabled = true;
    try {
      if (!now) {
        await send('POST', 'recordings', {});
        return '';
      }
      const item = await send('POST', 'recording/stop');
      return item ? `Saved as ${item.name}: ${running(item.duration)}, ${size(item.bytes)}.` : 'No frame arrived: nothing is saved.';
    } finally { button.disabled = false; }
  });
  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea')) return;
    if (e.key === 's' && !keep.hidden) keep.requestSubmit();
    if (e.key === 'r' && !record.hidden) record.requestSubmit();
  });
}
