// Sends each row of settings when it is changed, and each control of the camera. The page works without this file.
// @ts-check
'use strict';
{
  const main = el('main');
  const say = (row, words, isWrong) => {
    const said = row.querySelector('.err'), field = row.querySelector('.set > :is(input, select), .unit > input');
    said.textContent = words;
    said.classList.toggle('well', !isWrong);
    if (field) field.ariaInvalid = isWrong ? 'true' : null;
  };

  // A row with a refused value or an open question stays.
  const FRESH = '[data-key]:not(:has([aria-invalid], .ask)), [data-control] .org, #banners, #goes';
  const take = page => swap(page, [...main.querySelectorAll(FRESH)].map(one => one.id));
  const refusal = page => page.querySelector('main > [role=alert]')?.textContent ?? '';
  const isDirtyRow = row => fieldsOf(row).some(isDirty);
  // One after the other, so that what is typed last holds. Without a button, only if something is new, and not from a
  // field that was replaced while somebody typed.
  let queue = Promise.resolve();
  const save = (id, by, form, left) => {
    queue = queue.finally(async () => {
      let row = el(id);
      if (!by && (!isDirtyRow(row) || left?.isConnected === false)) return;
      const saving = submit(form ?? row.closest('form'), by, row);
      row.querySelector('.org').textContent = 'Saving …';
      const page = await saving;
      row = el(id);
      if (!page) {
        row.querySelector('.org').textContent = '';
        say(row, `Not saved: ${el('news').textContent}`, true);
        return;
      }
      // An error that belongs to no row is shown at this one.
      if (refusal(page) && !row.querySelector('.err').textContent) {
        say(row, refusal(page), true);
        put('news', refusal(page));
      }
      // Typed on meanwhile.
      const isTyping = isDirtyRow(row) && row.contains(document.activeElement);
      if (isTyping) on(row, 'focusout', ({ target }) => save(id, null, null, target), { once: true });
      take(page);
    });
  };
  on(main, 'change', ({ target }) => {
    const row = target.closest('[data-key]');
    if (row) save(row.id, null, null, isTick(target) || target.options ? null : target);
  });
  const preview = async (form, by) => {
    const page = await submit(form, by);
    if (!page) return;
    const wrong = page.querySelectorAll('[data-key]:has([aria-invalid])');
    swap(page, [...wrong].map(one => one.id));
    if (!wrong.length) by.parentElement.querySelector('.said').textContent = refusal(page);
  };

  const field = e => e.querySelector('input:not([type=hidden]), select');
  const put_ = (input, value) => { if (input.type === 'checkbox') input.checked = !!value; else input.value = +value; };
  // With `isLook`, not what somebody is at.
  const takeControls = ({ items }, isLook) => {
    for (const item of items) {
      const e = main.querySelector(`[data-control="${CSS.escape(item.name)}"]`), input = e && field(e);
      if (!input || (isLook && (e.contains(document.activeElement) || input.matches(':active')))) continue;
      e.classList.toggle('idle', !!item.inactive);
      if (input !== document.activeElement || input.type !== 'range') put_(input, item.value);
      const out = e.querySelector('output');
      if (out) out.textContent = `${+item.value}`;
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
      const now = await send('GET', 'controls').catch(() => null);
      if (now) takeControls(now);
    }
  };
  const drags = {};
  on(main, 'input', ev => {
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
    if (now && changes === before) takeControls(now, true);
  }, 2000);

  on(main, 'submit', ev => {
    const { target: form, submitter: by } = ev, e = by?.closest('.set'), name = by?.value;
    const action = form.getAttribute('action');
    if (form.id === 'press') controls(e, 'PATCH', 'controls', { [by?.name ?? '']: true });
    else if (form.id === 'default') controls(e, 'PATCH', 'controls', { [name]: null });
    else if (form.id === 'defaults') controls(null, 'POST', 'controls/reset');
    else if (action === 'api/v1/settings') {
      // The key Enter presses a button that is of no row.
      const at = document.activeElement?.closest('[data-key]');
      if (by?.id === 'plan') queue = queue.finally(() => preview(form, by));
      else if (e) save(e.id, by, form);
      else if (at) save(at.id);
    } else if (action !== 'api/v1/controls') return;
    ev.preventDefault();
  });
  const toml = main.querySelector('#toml');
  on(toml, 'dragover', e => e.preventDefault());
  on(toml, 'drop', async e => {
    e.preventDefault();
    if (e.dataTransfer.files[0]) toml.value = await e.dataTransfer.files[0].text();
  });

  const find = el('find'), folds = [...main.querySelectorAll('.adv')], areOpen = folds.map(one => one.open);
  el('seek').hidden = true;
  on(find.form, 'submit', ev => ev.preventDefault());
  const search = () => {
    const word = find.value.trim().toLowerCase();
    main.classList.toggle('finding', !!word);
    folds.forEach((one, i) => { one.open = word ? true : areOpen[i]; });
    const wordsOf = e => `${e.textContent} ${Object.values(e.dataset)}`.toLowerCase();
    for (const e of main.querySelectorAll('.leaf .set')) e.hidden = !wordsOf(e).includes(word);
    for (const e of main.querySelectorAll('.leaf .panel')) e.hidden = !!word && !e.querySelector('.set:not([hidden])');
    el('none').hidden = !word || !!main.querySelector('.leaf .set:not([hidden])');
    put('none-word', find.value.trim());
  };
  on(find, 'input', search);
  on(document, 'swap', () => { if (find.value.trim()) search(); });

  // The group in sight is marked.
  const links = new Map([...main.querySelectorAll('.leaf > nav a')].map(a => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver(list => list.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) links.forEach((a, id) => { a.ariaCurrent = id === target.id ? 'true' : null; });
  }), { rootMargin: '-20% 0px -70% 0px' });
  main.querySelectorAll('.leaf .panel[id]').forEach(panel => seen.observe(panel));
}
