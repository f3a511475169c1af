// Sends each row of settings as soon as it is changed, as its form would, and puts the row of the page that comes back
// in its place; and each control of the camera while it is turned. The page works without this file.
'use strict';
{
  const main = el('main'), row = (name, kind = 'key') => main.querySelector(`[data-${kind}="${CSS.escape(name)}"]`);
  const parts = e => [...e.querySelectorAll('input, select')].filter(one => one.name && !one.disabled);
  const values = e => parts(e).filter(one => one.type !== 'checkbox' || one.checked).map(one => [one.name, one.value]);
  const waits = e => parts(e).some(isDirty) || e.querySelector('[aria-invalid], .ask');
  const has = e => e.contains(document.activeElement);
  const say = (e, words, isWrong) => {
    const said = e.querySelector('.err'), field = e.querySelector('.set > :is(input, select), .unit > input');
    said.textContent = words;
    said.classList.toggle('well', !isWrong);
    if (field) field.ariaInvalid = isWrong ? 'true' : null;
  };

  // ---- settings

  const replace = (old, fresh) => {
    const was = has(old) && document.activeElement, isOpen = old.querySelector('details')?.open;
    const { selectionStart: from, selectionEnd: to } = was;
    old.replaceWith(fresh);
    if (isOpen) fresh.querySelectorAll('details').forEach(one => { one.open = true; });
    const now = el(was.id);
    now?.focus();
    if (from != null) now?.setSelectionRange(from, to);
  };
  const showPlan = page => {
    main.querySelector('#goes')?.remove();
    main.querySelector('#retention')?.append(...page.querySelectorAll('#goes'));
  };
  // What the server says now, but for rows that somebody is at, or has not finished. `key`: the row that was sent, with
  // `sent`.
  const take = (page, key, sent) => {
    replace(el('banners'), page.getElementById('banners'));
    showPlan(page);
    for (const fresh of page.querySelectorAll('[data-key]')) {
      const old = row(fresh.dataset.key), isSent = fresh.dataset.key === key;
      if (!old || (!isSent && (has(old) || waits(old) || old.outerHTML === fresh.outerHTML))) continue;
      const [was, now] = [old, fresh].map(e => e.querySelector('[name^="was."]'));
      // Typed on meanwhile.
      if (isSent && `${values(old)}` !== sent) { if (was && now) was.value = now.value; } else replace(old, fresh);
    }
    for (const fresh of page.querySelectorAll('[data-control] .org')) {
      const old = el(fresh.id);
      if (old && !has(old) && old.innerHTML !== fresh.innerHTML) old.replaceWith(fresh);
    }
  };
  const post = async (address, body) => {
    const answer = await ask(address, { method: 'POST', body: new URLSearchParams(body) });
    const page = parsed(await answer.text());
    if (!page.getElementById('banners')) throw new Error(`The server answered ${answer.status}.`);
    return page;
  };
  // One after the other, so that what is typed last holds.
  let queue = Promise.resolve();
  const change = (key, more, by, form) => { queue = queue.then(() => send_(key, more, by, form)); return queue; };
  // Without a form, the row's own with what is in the row.
  const send_ = async (key, more, by, form) => {
    let e = row(key);
    if (!more && !by && !waits(e)) return;
    const own = values(e), to = form ?? e.closest('form');
    const hidden = [...to.querySelectorAll(':scope > [type=hidden]')].map(one => [one.name, one.value]);
    e.querySelector('.org').textContent = 'Saving …';
    try {
      const address = by?.getAttribute('formaction') ?? to.getAttribute('action');
      const page = await post(address, [...hidden, ...form ? [] : own, ...more ?? []]);
      take(page, key, `${own}`);
      e = row(key);
      const refused = page.querySelector('main > [role=alert]'), said = e.querySelector('.err');
      // An error that belongs to no row is shown at this one.
      if (refused && !said.textContent) say(e, refused.textContent, true);
      put('news', `${e.querySelector('label, .lab').textContent}: ${said.textContent || 'saved'}`);
    } catch (error) {
      e.querySelector('.org').textContent = '';
      say(e, `Not saved: ${error.message}`, true);
    }
  };
  main.addEventListener('change', ev => {
    const e = ev.target.closest('[data-key]');
    if (e) change(e.dataset.key);
  });
  main.addEventListener('click', async ev => {
    const e = ev.target.closest('[data-fresh]')?.closest('[data-key]');
    if (!e) return;
    ev.preventDefault();
    take(await freshPage('settings'), e.dataset.key, `${values(e)}`);
  });
  const preview = async (form, { nextElementSibling: note }) => {
    try {
      const page = await freshPage('settings?' + new URLSearchParams([...new FormData(form), ['plan', 1]]));
      const wrong = page.querySelectorAll('[data-key]:has([aria-invalid])');
      const refused = page.querySelector('main > [role=alert]');
      if (refused && !wrong.length) throw new Error(refused.textContent);
      showPlan(page);
      replace(note, page.querySelector('#plan + *') ?? note);
      for (const fresh of wrong) replace(row(fresh.dataset.key), fresh);
    } catch (error) {
      main.querySelector('#goes')?.remove();
      note.role = 'alert';
      note.textContent = error.message;
    }
  };

  // ---- controls of the camera

  const field = e => e.querySelector('input:not([type=hidden]), select');
  const put_ = (input, value) => { if (input.type === 'checkbox') input.checked = !!value; else input.value = +value; };
  // With `isLook`, not what somebody is at.
  const takeControls = ({ items }, isLook) => {
    for (const item of items) {
      const e = row(item.name, 'control'), input = e && field(e);
      if (!input || (isLook && (has(e) || input.matches(':active')))) continue;
      e.classList.toggle('idle', !!item.inactive);
      if (input !== document.activeElement || input.type !== 'range') put_(input, item.value);
      const out = e.querySelector('output');
      if (out) out.textContent = +item.value;
    }
  };
  // Of one at its field, of all of them above them.
  const tell = (e, words, isWrong) => {
    if (e) return say(e, words, isWrong);
    const told = main.querySelector('#controls-said');
    told.hidden = !words;
    told.firstElementChild.textContent = words;
  };
  let changes = 0, renewing = 0;
  const renewSoon = () => {
    clearTimeout(renewing);
    renewing = setTimeout(() => freshPage('settings').then(take, () => { /* the next time */ }), 250);
  };
  const controls = async (e, method, path, body) => {
    changes++;
    try {
      const answer = await send(method, path, body);
      takeControls(answer);
      tell(e, answer.notes.join(' '), answer.refused.includes(e?.dataset.control));
      renewSoon();
    } catch (error) {
      tell(e, error.message, true);
      // What the camera has not taken does not stay at its field.
      const now = await send('GET', 'controls').catch(() => null);
      if (now) takeControls(now);
    }
  };
  const drags = {};
  main.addEventListener('input', ev => {
    const e = ev.target.closest('[data-control]');
    if (!e) return;
    const out = e.querySelector('output'), { type } = ev.target;
    if (out) out.textContent = ev.target.value;
    const { control } = e.dataset;
    drags[control] ??= newestOnly(value => controls(e, 'PATCH', 'controls', { [control]: value }));
    drags[control](type === 'checkbox' ? ev.target.checked : +ev.target.value);
  });
  // What others turn is shown, but not under somebody's finger.
  const panel = main.querySelector('#controls');
  if (panel?.querySelector('[data-control]')) setInterval(async () => {
    const { top, bottom } = panel.getBoundingClientRect();
    if (document.hidden || !panel.checkVisibility() || top > innerHeight || bottom < 0) return;
    const before = changes, now = await send('GET', 'controls').catch(() => null);
    // What is changed meanwhile has its own answer.
    if (now && changes === before) takeControls(now, true);
  }, 2000);

  // ---- forms

  main.addEventListener('submit', ev => {
    const { target: form, submitter: by } = ev, e = by?.closest('.set'), key = e?.dataset.key, name = by?.value;
    const action = form.getAttribute('action');
    if (form.id === 'reset') change(key, [['_null', name]], by, form);
    else if (form.id === 'press') controls(e, 'PATCH', 'controls', { [by.name]: true });
    else if (form.id === 'default') controls(e, 'PATCH', 'controls', { [name]: null });
    else if (form.id === 'defaults') controls(null, 'POST', 'controls/reset');
    else if (action === 'api/v1/settings') {
      // The key Enter presses a button that is of no row.
      const at = document.activeElement.closest('[data-key]');
      if (by?.id === 'plan') preview(form, by); else if (key) change(key, [], by); else if (at) change(at.dataset.key);
    } else if (action !== 'api/v1/controls') return;
    ev.preventDefault();
  });
  const toml = main.querySelector('#toml');
  toml?.addEventListener('dragover', e => e.preventDefault());
  toml?.addEventListener('drop', async e => {
    e.preventDefault();
    if (e.dataTransfer.files[0]) toml.value = await e.dataTransfer.files[0].text();
  });

  // ---- finding

  const find = el('find'), folds = [...main.querySelectorAll('.adv')], areOpen = folds.map(one => one.open);
  el('seek').hidden = true;
  find.form.addEventListener('submit', ev => ev.preventDefault());
  find.addEventListener('input', () => {
    const word = find.value.trim().toLowerCase();
    main.classList.toggle('finding', !!word);
    folds.forEach((one, i) => { one.open = word ? true : areOpen[i]; });
    const wordsOf = e => `${e.textContent} ${Object.values(e.dataset)}`.toLowerCase();
    for (const e of main.querySelectorAll('.leaf .set')) e.hidden = !wordsOf(e).includes(word);
    for (const e of main.querySelectorAll('.leaf .panel')) e.hidden = !!word && !e.querySelector('.set:not([hidden])');
    el('none').hidden = !word || !!main.querySelector('.leaf .set:not([hidden])');
    put('none-word', find.value.trim());
  });

  // The group in sight is marked.
  const links = new Map([...main.querySelectorAll('.leaf > nav a')].map(a => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver(list => list.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) links.forEach((a, id) => { a.ariaCurrent = id === target.id ? 'true' : null; });
  }), { rootMargin: '-20% 0px -70% 0px' });
  main.querySelectorAll('.leaf .panel[id]').forEach(panel => seen.observe(panel));
}
