// Sends each setting and each control by itself as soon as it is changed, says at the field what came of it, and what
// others have set meanwhile. The page works without this file.
'use strict';
{
  const main = el('main'), text = v => Array.isArray(v) ? v.map(item).join(', ') : `${v ?? ''}`;
  // An item of a list, as the server writes it in the field.
  const item = v => v !== '' && !/^[\s[]|\s$|[",\0-\x1f\x7f-\x9f]/.test(v) ? `${v}`
    : JSON.stringify(v).replace(/[\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]/g, c => '\\u' + c.charCodeAt().toString(16).padStart(4, 0));
  const row = key => main.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const name = e => e.querySelector('label, .lab').textContent;
  const say = (e, words, isWrong) => {
    const said = e.querySelector('.err');
    said.textContent = words;
    said.classList.toggle('well', !isWrong);
    const field = e.querySelector('.set > :is(input, select), .unit > input');
    if (isWrong) field?.setAttribute('aria-invalid', 'true'); else field?.removeAttribute('aria-invalid');
  };
  const field = e => e.querySelector('input:not([type=hidden]), select, textarea');
  const typed = input => input.type === 'checkbox' ? `${input.checked}` : input.value.trim();
  const put_ = (input, value) => { if (input.type === 'checkbox') input.checked = value === 'true'; else input.value = value; };

  // ---- settings

  let tag = null; // entity tag of what the page knows
  const ask = async (method, body, match) => {
    const answer = await fetch('api/v1/settings', { method, cache: 'no-store', body: body && JSON.stringify(body),
      headers: { ...(body && { 'Content-Type': 'application/json' }), ...(match && { 'If-Match': match }) } });
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 401) location.assign('sign-in?next=settings');
    if (answer.ok) tag = answer.headers.get('ETag');
    return { status: answer.status, said };
  };

  // What the server says now, in every row that nobody is at: `was` is what its reader has seen, `now` what is so.
  const show = (items, keys = [], sender, sent) => {
    for (const { path, value: said, kind } of items) {
      const e = row(path);
      if (!e || kind === 'secret') continue;
      const input = field(e), value = e.dataset.now = text(said), isOwn = keys.includes(path), { was } = e.dataset;
      if (!isOwn && (value === was || input === document.activeElement || typed(input) !== was)) continue;
      if (input !== document.activeElement && (e !== sender || typed(input) === sent)) put_(input, value);
      e.dataset.was = value;
      const hidden = e.querySelector('[name^="was."]');
      if (hidden) hidden.value = value;
    }
  };
  // The words beside the fields are the server's; asked for once when much is changed at once.
  let renewing = 0;
  const renew = () => { clearTimeout(renewing); renewing = setTimeout(words, 250); };
  const words = async () => {
    try {
      const page = await freshPage(location.href.split('#')[0]);
      for (const id of ['restart', 'complaint', 'unkept']) {
        const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
        if (old && fresh) old.replaceWith(fresh); else if (fresh) el('restart').before(fresh); else old?.remove();
      }
      for (const e of main.querySelectorAll('[data-key], [data-control]')) {
        const org = e.querySelector('.org'), fresh = page.getElementById(org.id);
        if (fresh && fresh.innerHTML !== org.innerHTML && !org.contains(document.activeElement)) org.replaceWith(fresh);
      }
    } catch { /* the next time */ }
  };

  // One after the other, so that what is typed last holds.
  let queue = Promise.resolve();
  const change = (changes, e) => { queue = queue.then(() => send_(changes, e)); return queue; };
  const send_ = async (changes, e, tries = 5) => {
    const keys = Object.keys(changes), sent = typed(field(e));
    say(e, 'Saving …');
    try {
      if (!tag) show((await ask('GET')).said.items);
      const theirs = keys.map(row).find(one => one && one.dataset.now !== undefined && one.dataset.now !== one.dataset.was);
      if (theirs) return conflict(e, changes, theirs);
      const { status, said } = await ask('PATCH', changes, tag);
      if (status < 300) {
        show(said.items, keys, e, sent);
        const needs = said.needs_restart ?? [];
        say(e, keys.some(key => needs.includes(key)) ? 'Saved. In force after a restart.' : 'Saved.');
        put('news', `${name(e)}: saved.`);
        renew();
      } else if (status === 412 && tries) {
        // Somebody has changed something; if it was something else, it is in nobody's way.
        show((await ask('GET')).said.items);
        await send_(changes, e, tries - 1);
      } else say(e, [said.detail, said.hint].filter(Boolean).map(sentence).join(' ') || `The server answered ${status}.`, true);
    } catch (error) { say(e, `Not saved: ${error.message}`, true); }
  };
  const conflict = (e, changes, theirs) => {
    const value = theirs.dataset.now;
    say(e, `Somebody else has set this to ${value || 'nothing'} meanwhile. Yours is not saved. `, true);
    const button = (words, act) => Object.assign(make('button', 'link', words), { type: 'button', onclick: () => { theirs.dataset.was = value; act(); } });
    e.querySelector('.err').append(
      button('Take theirs', () => { put_(field(theirs), value); say(e, ''); renew(); }), ' ', button('Set mine', () => change(changes, e)));
  };
  main.addEventListener('change', ev => {
    const e = ev.target.closest('[data-key]');
    if (ev.target.id === 'mode') {
      const word = ev.target.value, [format, size] = word.split('-'), [width, height] = (size ?? '').split('x').map(Number);
      if (!word) return;
      const keys = ['source.format', 'source.width', 'source.height'];
      change(word === 'auto' ? Object.fromEntries(keys.map(key => [key, null]))
        : { 'source.format': format, 'source.width': width, 'source.height': height }, ev.target.closest('.set'));
    } else if (e) {
      // Texts are read by the server, which says what is wrong with them.
      change({ [e.dataset.key]: typed(ev.target) || null }, e);
    }
  });

  // ---- controls of the camera

  const rowOf = control => main.querySelector(`[data-control="${CSS.escape(control)}"]`);
  // With `isLook`, not what somebody is at.
  const takeControls = ({ items }, isLook) => {
    for (const item of items) {
      const e = rowOf(item.name), input = e && field(e);
      if (!input || (isLook && (e.contains(document.activeElement) || input.matches(':active')))) continue;
      e.classList.toggle('idle', !!item.inactive);
      if (input !== document.activeElement || input.type !== 'range') put_(input, input.type === 'checkbox' ? `${!!item.value}` : `${+item.value}`);
      const out = e.querySelector('output');
      if (out) out.textContent = +item.value;
    }
  };
  // Of one at its field, of all of them above them.
  const tell = (e, words, isWrong) => {
    if (e) return say(e, words, isWrong);
    const told = document.getElementById('controls-said');
    told.hidden = !words;
    told.firstElementChild.textContent = words;
  };
  let changes = 0;
  const controls = async (e, method, path, body) => {
    changes++;
    try {
      const answer = await send(method, path, body);
      takeControls(answer);
      tell(e, answer.notes.join(' '), answer.refused.includes(e?.dataset.control));
      renew();
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
    const control = e.dataset.control, drag = drags[control] ??= newestOnly(value => controls(e, 'PATCH', 'controls', { [control]: value }));
    drag(type === 'checkbox' ? ev.target.checked : +ev.target.value);
  });
  // What others turn is shown, but not under somebody's finger.
  const panel = document.getElementById('controls');
  if (panel?.querySelector('[data-control]')) setInterval(async () => {
    const { top, bottom } = panel.getBoundingClientRect();
    if (document.hidden || top > innerHeight || bottom < 0) return;
    const before = changes, now = await send('GET', 'controls').catch(() => null);
    // What is changed meanwhile has its own answer.
    if (now && changes === before) takeControls(now, true);
  }, 2000);

  // ---- forms

  main.addEventListener('submit', async ev => {
    const { form, value } = ev.submitter ?? {};
    if (!ev.target.closest('#reset, #press, #default, .panel[action*="do=set"], .panel[action*="do=controls"]')) return;
    ev.preventDefault();
    const e = ev.submitter?.closest('.set');
    if (form?.id === 'reset') {
      const own = row(value);
      await change({ [value]: null }, own);
      put_(field(own), own.dataset.was);
    } else if (form?.id === 'press') controls(e, 'PATCH', 'controls', { [value]: true });
    else if (form?.id === 'default') controls(...(value ? [e, 'PATCH', 'controls', { [value]: null }] : [null, 'POST', 'controls/reset']));
    else document.activeElement.blur();
  });
  const toml = document.getElementById('toml');
  toml?.addEventListener('dragover', e => e.preventDefault());
  toml?.addEventListener('drop', async e => {
    e.preventDefault();
    if (e.dataTransfer.files[0]) toml.value = await e.dataTransfer.files[0].text();
  });

  // The group in sight is marked.
  const links = new Map([...main.querySelectorAll('.leaf > nav a')].map(a => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver(list => list.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) links.forEach((a, id) => id === target.id ? a.setAttribute('aria-current', 'true') : a.removeAttribute('aria-current'));
  }), { rootMargin: '-20% 0px -70% 0px' });
  main.querySelectorAll('.leaf .panel[id]').forEach(panel => seen.observe(panel));
}
