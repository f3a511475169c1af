// The page of media without loading it again: picking, keeping, deleting, renaming in place, older items, and what is
// being recorded. The page works without this file.
'use strict';
{
  const days = el('days'), ask = el('ask');
  const items = () => [...days.querySelectorAll('.item')];
  const box = item => item.querySelector('input[name=ids]');
  const picked = () => items().filter(item => box(item)?.checked);
  const ids = () => picked().map(item => +box(item).value);
  const many = (n, one) => `${n} ${one}${n === 1 ? '' : 's'}`;
  const bytes = list => size(list.reduce((sum, item) => sum + +item.dataset.bytes, 0));

  // ---- picking

  const count = () => {
    const list = picked();
    put('count', list.length ? `${many(list.length, 'item')} selected, ${bytes(list)}` : 'Select items');
    for (const button of document.querySelectorAll('#picked > button:not(#every)')) button.disabled = !list.length;
    el('every').textContent = list.length ? 'Select none' : 'Select all';
    if (!list.length) ask.hidden = true;
  };
  let last = null; // with Shift everything between is picked
  on(days, 'click', e => {
    if (e.target.name !== 'ids') return;
    const boxes = items().map(box).filter(one => !one.disabled);
    if (e.shiftKey && last?.isConnected) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(e.target)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach(one => { one.checked = e.target.checked; });
    }
    last = e.target;
  });
  on(days, 'change', count);
  on(el('every'), 'click', () => {
    const all = !picked().length;
    items().map(box).filter(one => !one.disabled).forEach(one => { one.checked = all; });
    count();
  });
  el('every').style.visibility = 'visible';

  // ---- what is done with those that are picked

  const say = text => put('said', text);
  const failed = e => say(`That did not go through: ${e.message}`);
  const gone = list => {
    for (const item of list) {
      const day = item.closest('section');
      item.remove();
      if (!day.querySelector('.item')) day.remove();
    }
    if (items().length) count();
    else location.reload(); // an empty page says what to do
  };
  const keep = async kept => {
    const list = picked();
    await send('POST', 'media/keep', { ids: ids(), kept });
    await renew();
    say(kept ? `${many(list.length, 'item')} protected: never deleted by retention.` : `${many(list.length, 'item')} no longer protected.`);
  };
  const kinds = list => ['recording', 'snapshot'].map(kind => [list.filter(item => item.dataset.kind === kind).length, kind])
    .filter(([n]) => n).map(([n, kind]) => many(n, kind)).join(' and ');
  on(el('picked'), 'submit', e => {
    const by = e.submitter;
    if (by?.id === 'zip') return; // the browser saves what the form's answer brings
    e.preventDefault();
    say('');
    if (by?.id === 'delete') {
      const list = picked();
      put('ask-head', `Delete ${kinds(list)}, ${bytes(list)}?`);
      put('ask-why', `${list.length === 1 ? 'It' : 'They'} cannot be brought back. ${list.length === 1 ? 'Its' : 'Their'} crossings stay in Counts.`);
      put('ask-no', 'Cancel');
      ask.hidden = false;
      el('ask-no').focus();
    } else keep(by?.value === 'true').catch(failed);
  });
  const close = () => { ask.hidden = true; el('delete').focus(); };
  on(el('ask-no'), 'click', close);
  on(ask, 'keydown', e => { if (e.key === 'Escape') close(); });
  on(el('ask-yes'), 'click', async () => {
    const list = picked();
    try {
      await send('POST', 'media/delete', { ids: ids() });
      ask.hidden = true;
      gone(list);
      say(`${many(list.length, 'item')} deleted.`);
      gauge();
    } catch (e) { failed(e); }
  });

  // ---- name and note in place

  on(days, 'click', async e => {
    const link = e.target.closest('.edit');
    if (!link || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    const item = link.closest('.item'), id = item.id.slice(1);
    let now;
    try { now = await send('GET', `media/${id}`); } catch (error) { failed(error); return; }
    const form = make('form', 'rename', '');
    const field = (name, label, text, kind) => {
      const input = Object.assign(document.createElement(kind), { name, value: text, ariaLabel: label, placeholder: label });
      input.maxLength = name === 'name' ? 200 : 2000;
      form.append(input);
      return input;
    };
    const name = field('name', 'Name', now.name, 'input'), note = field('note', 'Note', now.note, 'textarea');
    const save = make('button', 'btn main', 'Save'), back = make('button', 'btn', 'Cancel'), row = make('p', 'row', '');
    back.type = 'button';
    row.append(save, back);
    const wrong = make('p', 'small bad', '');
    wrong.role = 'status';
    form.append(row, wrong);
    item.append(form);
    link.hidden = true;
    name.focus(); name.select();
    const end = () => { form.remove(); link.hidden = false; link.focus(); };
    on(back, 'click', end);
    on(form, 'keydown', e => {
      if (e.key === 'Escape') end();
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) form.requestSubmit();
    });
    on(form, 'submit', async e => {
      e.preventDefault();
      try {
        await send('PATCH', `media/${id}`, { name: name.value.trim(), note: note.value.trim() }, { 'If-Match': `"${now.version}"` });
        end();
        await renew();
        el(`m${id}`)?.querySelector('.edit')?.focus();
      } catch (error) {
        wrong.textContent = error.status === 412 ? 'Somebody else has just changed it. Load the page again.' : error.message;
      }
    });
  });

  // ---- older and newer

  // Puts what the server says now in place of what is shown, and keeps what is picked.
  const renew = async () => {
    const page = await freshPage(location.href), was = new Set(ids());
    const fresh = new Map([...page.querySelectorAll('#days .item')].map(item => [item.id, item]));
    // Older items that were added below stay.
    const tail = items().filter(item => !fresh.has(item.id) && item.dataset.older);
    if (tail.length) for (const item of items()) fresh.has(item.id) && item.replaceWith(fresh.get(item.id));
    else { days.replaceChildren(...page.getElementById('days').childNodes); el('more').replaceWith(page.getElementById('more')); bind(); }
    items().forEach(item => { const one = box(item); if (one) one.checked = was.has(+one.value); });
    el('now').replaceChildren(...page.getElementById('now').childNodes);
    el('picked').hidden = !items().length;
    count();
    gauge(page);
  };
  const gauge = async page => {
    try {
      const fresh = (page ?? await freshPage(location.href)).querySelector('.gauge');
      if (fresh) document.querySelector('.gauge')?.replaceWith(fresh);
    } catch { /* the next time */ }
  };
  const more = async e => {
    e.preventDefault();
    const link = e.currentTarget;
    if (link.ariaBusy === 'true') return;
    link.ariaBusy = 'true';
    try {
      const page = await freshPage(link.href);
      let first = null;
      for (const day of page.querySelectorAll('#days > section')) {
        day.querySelectorAll('.item').forEach(item => { item.dataset.older = '1'; });
        first ??= day.querySelector('.item > a');
        const same = [...days.children].find(own => own.dataset.day === day.dataset.day);
        if (same) same.querySelector('.grid').append(...day.querySelectorAll('.item'));
        else days.append(document.adoptNode(day));
      }
      el('more').replaceWith(page.getElementById('more'));
      bind();
      first?.focus();
    } catch (error) { link.ariaBusy = 'false'; failed(error); }
  };
  const bind = () => on(el('older'), 'click', more);
  bind();

  // ---- what is being recorded

  let now = null, toldAt = 0, wasRecording = !!el('now').querySelector('section');
  const tick = () => {
    const figures = document.getElementById('now-figures');
    if (now && figures) figures.textContent = `${running(now.duration + (now.every ? 0 : (Date.now() - toldAt) / 1000))}, ${size(now.bytes)}`;
  };
  setInterval(tick, 1000);
  on(document, 'state', async ({ detail }) => {
    now = detail.recording?.now ?? null;
    toldAt = Date.now();
    tick();
    if (!!now === wasRecording || document.querySelector('.rename')) return;
    wasRecording = !!now;
    try {
      await renew();
      put('news', now ? 'Recording started.' : 'The recording has ended.');
    } catch { /* the next time */ }
  });
  count();
}
