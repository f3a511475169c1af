// The page of media: picking, older items, and what is being recorded. The page works without this file.
// @ts-check
'use strict';
{
  const boxes = () => [...document.querySelectorAll('#days [name=ids]:enabled')];
  const picked = () => boxes().filter(one => one.checked);

  const count = () => {
    const list = picked(), bytes = list.reduce((sum, one) => sum + +one.closest('.item')?.dataset.bytes, 0);
    const selected = `${list.length} item${list.length === 1 ? '' : 's'} selected, ${size(bytes)}`;
    put('count', list.length ? selected : '');
    el('every').textContent = list.length ? 'Select none' : 'Select all';
    el('every').classList.remove('js');
    if (!list.length) el('ask').hidden = true;
  };
  const pick = (list, isPicked) => { for (const one of list) one.checked = isPicked; count(); };
  let last = null; // with Shift everything between is picked
  on(document, 'click', e => {
    const { target } = e;
    if (target.name === 'ids') {
      const [from, to] = [last, target].map(one => boxes().indexOf(one)).sort((a, b) => a - b);
      if (e.shiftKey && from >= 0) pick(boxes().slice(from, to + 1), target.checked);
      last = target;
    } else if (target.id === 'every') pick(boxes(), !picked().length);
    else if (target.id === 'ask-no') { e.preventDefault(); close(); } else if (target.id === 'older') {
      e.preventDefault();
      more().catch(error => put('said', error.message));
    }
  });
  on(document, 'change', e => { if (e.target.name === 'ids') count(); });
  // With commas an address has room for many.
  on(document, 'formdata', ({ formData: fields }) => {
    if (fields.has('ids')) fields.set('ids', fields.getAll('ids').join());
  });
  const close = () => { el('ask').hidden = true; el('delete').focus(); };
  on(document, 'keydown', e => {
    const form = e.target.closest('.rename');
    if (e.key === 'Escape' && !el('ask').hidden) close();
    else if (e.key === 'Escape') form?.querySelector('a').click();
    else if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) form?.requestSubmit();
  });

  let pages = 0, were = [];
  const more = async () => {
    const page = await freshPage(el('older').href), days = el('days');
    let first = null;
    for (const day of page.querySelectorAll('#days > section')) {
      day.querySelectorAll('.item').forEach(item => { item.dataset.older = '1'; });
      first ??= day.querySelector('.item > a');
      const same = [...days.children].find(own => own.dataset.day === day.dataset.day);
      if (same) same.querySelector('.grid').append(...day.querySelectorAll('.item'));
      else days.append(document.adoptNode(day));
    }
    pages++;
    const wasAtLink = document.activeElement === el('older');
    el('more').replaceWith(page.getElementById('more'));
    if (wasAtLink) first?.focus();
  };
  // Picked items stay picked, and older ones come again.
  on(document, 'submit', () => { were = picked().map(one => one.value); }, true);
  on(document, 'swap', async ({ detail: parts }) => {
    if (!parts.includes('days')) return;
    const again = document.querySelector('#days [data-older]') ? 0 : pages, list = were;
    pages -= again;
    were = [];
    for (let n = 0; n < again && !el('more').hidden; n++) await more().catch(() => { /* it is a link */ });
    pick(boxes().filter(one => list.includes(one.value)), true);
  });

  let now = null, toldAt = 0;
  const tick = () => {
    const seconds = now && now.duration + (now.every ? 0 : (Date.now() - toldAt) / 1000);
    const figures = document.getElementById('now-figures'); // while something is recorded
    if (now && figures) figures.textContent = `${running(seconds)}, ${size(now.bytes)}`;
  };
  setInterval(tick, 1000);
  on(document, 'state', async ({ detail }) => {
    now = detail.recording?.now ?? null;
    toldAt = Date.now();
    tick();
    if (!!now === !!el('now').querySelector('section') || document.querySelector('.rename')) return;
    const isDone = await renew('now', 'days', 'more', 'pick', 'room');
    if (isDone) put('news', now ? 'Recording started.' : 'The recording has ended.');
  });
  count();
}
