// Keeps pictures from the live page without leaving it: Snapshot and Record, the time and size of a recording as it
// grows, and the newest that is kept. The forms work without this file.
'use strict';
{
  const keep = el('keep'), record = el('record'), button = el('record-button'), lapse = el('lapse'), lapses = el('lapses');
  let now, timer, isBusy = false, isFirst = true;
  const said = el('kept-said');
  const say = text => { said.textContent = text; };
  // What was stored, with a way there.
  const tell = (item, words) => {
    const link = Object.assign(document.createElement('a'), { href: `player?id=${item.id}` });
    link.append(Object.assign(new Image(), { src: `api/v1/media/${item.id}/thumbnail.jpg`, alt: '' }), words);
    said.replaceChildren(link);
    clearTimeout(timer);
    timer = setTimeout(say, 2e4, '');
  };

  // The strip is the server's: the same page is fetched again, and its part put in place of the old one.
  const renew = async () => {
    try {
      const page = await freshPage('./');
      for (const id of ['newest', 'kept-none']) {
        const [was, is] = [el(id), page.getElementById(id)];
        if (was && is && was.outerHTML !== is.outerHTML && !was.contains(document.activeElement)) was.replaceWith(is);
      }
    } catch { /* the next time */ }
  };

  const word = () => put('record-word', now ? 'Stop recording' : lapse.value ? 'Time-lapse' : 'Record');
  on(lapse, 'change', word);

  // The page asks for the state once a second. What the camera is decides what can be begun; what runs can always
  // be ended.
  on(document, 'state', ({ detail: s }) => {
    if (!s?.recording) return;
    const was = now;
    now = s.recording.now;
    const canTake = ['live', 'asleep', 'waking'].includes(s.state);
    keep.hidden = !canTake;
    record.hidden = !canTake && !now;
    record.setAttribute('action', `api/v1/${now ? 'recording/stop' : 'recordings'}`);
    record.elements.next.value = now ? './?stored={id}' : './';
    lapses.hidden = !!now;
    word();
    put('record-figures', now ? `${running(now.duration)}, ${size(now.bytes)}` : '');
    if (!isFirst && was?.id !== now?.id) renew();
    isFirst = false;
  });
  on(document, 'visibilitychange', () => { if (!document.hidden) renew(); });

  const act = (form, what) => on(form, 'submit', async e => {
    e.preventDefault();
    if (isBusy) return;
    isBusy = true;
    say('');
    try { await what(); } catch (error) { say(error.message); }
    isBusy = false;
    await renew();
  });
  act(keep, async () => {
    const item = await send('POST', 'snapshots', {});
    tell(item, `Saved as ${item.name}`);
  });
  act(record, async () => {
    button.disabled = true;
    try {
      if (!now) {
        await send('POST', 'recordings', lapse.value ? { every: lapse.value } : {});
        return;
      }
      const item = await send('POST', 'recording/stop');
      if (item) tell(item, `Saved as ${item.name}: ${running(item.duration)}, ${size(item.bytes)}`);
      else say('No frame arrived: nothing is saved.');
    } finally { button.disabled = false; }
  });
  on(document, 'keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea')) return;
    if (e.key === 's' && !keep.hidden) keep.requestSubmit();
    if (e.key === 'r' && !record.hidden) record.requestSubmit();
  });
}
