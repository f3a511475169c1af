// Users, tokens, links and sessions of the page of access, all by the API.
'use strict';
if (el('users')) {
  const day = time => time ? local(Date.parse(time)).slice(0, 16).replace('T', ' ') : '';
  const part = (id, what) => el(id).querySelector(what);
  // Says what is wrong by the field's label, and marks it.
  const wrong = (id, { message, problem }) => {
    const one = problem?.field && part(id, `form [name="${problem.field}"]`);
    if (!one) return message;
    one.setAttribute('aria-invalid', true);
    one.focus();
    return `${one.closest('.field').firstElementChild.textContent}: ${problem.range}.`;
  };
  const text = (id, words, isBad) => { const said = part(id, '.said'); said.textContent = words; said.classList.toggle('bad', !!isBad); };
  // Does `work`, says how it went, and shows how things are then.
  const act = async (id, work, done) => {
    text(id, '');
    part(id, '[aria-invalid]')?.removeAttribute('aria-invalid');
    try { await work(); text(id, done); } catch (e) { text(id, wrong(id, e), true); }
    await show();
  };
  const button = (words, label, press, className = 'btn') => {
    const b = make('button', className, words);
    b.type = 'button';
    b.setAttribute('aria-label', label);
    on(b, 'click', press);
    return b;
  };
  // What cannot be taken back is asked first.
  const asked = (words, label, press) => {
    const ask = make('details', 'act', ''), head = make('summary', 'btn', words);
    head.setAttribute('aria-label', label);
    ask.append(head, button(`${words} now`, `${label} now`, press, 'btn danger'));
    return ask;
  };
  const row = (name, about, ...acts) => {
    const line = make('li', '', ''), words = make('div', '', ''), does = make('div', 'act row', '');
    words.append(make('b', '', name), make('p', 'small muted', about));
    does.append(...acts);
    line.append(words, does);
    return line;
  };
  const list = (id, rows, none) => {
    part(id, '.rows').replaceChildren(...rows.length ? rows : [make('li', 'muted', none)]);
    put(`${id}-are`, rows.length ? String(rows.length) : 'None');
  };
  const user = name => `users/${encodeURIComponent(name)}`;

  const userRow = ({ name, role }) => {
    const choice = make('select', '', '');
    choice.setAttribute('aria-label', `Role of ${name}`);
    choice.append(...['viewer', 'operator', 'admin'].map(word => new Option(word, word, word === role, word === role)));
    on(choice, 'change', () => act('users', () => send('PUT', user(name), { role: choice.value }), `${name} is ${choice.value} now.`));
    const change = make('details', 'act', ''), form = make('form', '', ''), field = make('input', '', '');
    Object.assign(field, { type: 'password', minLength: 8, required: true, autocomplete: 'new-password' });
    field.setAttribute('aria-label', `New password of ${name}`);
    form.append(field, make('button', 'btn', 'Set it'));
    on(form, 'submit', e => {
      e.preventDefault();
      act('users', () => send('PUT', user(name), { password: field.value }), `${name} has another password.`);
    });
    change.append(make('summary', 'btn', 'Password'), form);
    return row(name, '', choice, change,
      asked('Remove', `Remove ${name}`, () => act('users', () => send('DELETE', user(name)), `${name} is removed.`)));
  };
  const tokenRow = t => row(t.name, `${t.scopes.join(', ')}. Made ${day(t.created)}, ${t.until ? `until ${day(t.until)}` : 'for ever'}, `
    + (t.used ? `last used ${day(t.used)}.` : 'never used.'),
    asked('Revoke', `Revoke ${t.name}`, () => act('tokens', () => send('DELETE', `tokens/${t.id}`), `${t.name} opens nothing any more.`)));
  const sessionRow = s => row(`${s.user || 'A guest'}${s.own ? ', this browser' : ''}`,
    `${s.role}, from ${s.from}, since ${day(s.begun)}, until ${day(s.until)}. ${s.browser}`,
    ...s.own ? [] : [button('End', `End the session of ${s.user || 'a guest'} from ${s.from}`,
      () => act('sessions', () => send('DELETE', `sessions/${s.id}`), 'It is ended.'))]);

  let others = [];
  const show = async () => {
    try {
      const [users, tokens, sessions] = await Promise.all(['users', 'tokens', 'sessions'].map(what => send('GET', what)));
      const hasViewer = users.items.some(one => one.name === 'viewer');
      el('viewer-is').textContent = hasViewer ? 'There is one.' : 'There is none.';
      el('viewer-remove').hidden = !hasViewer;
      list('users', users.items.filter(one => !['admin', 'viewer'].includes(one.name)).map(userRow), 'Nobody but the admin.');
      list('tokens', tokens.items.map(tokenRow), 'There is none.');
      list('sessions', sessions.items.map(sessionRow), 'Nobody is signed in.');
      others = sessions.items.filter(one => !one.own);
      el('end-others').hidden = others.length < 2;
    } catch (e) { put('news', e.message); }
  };
  const sent = (id, work) => on(part(id, 'form'), 'submit', e => {
    e.preventDefault();
    work(new FormData(e.target), e.target);
  });
  // A text to take away: shown whole, with a button that copies it.
  const copied = (label, value) => {
    const line = make('div', 'row', ''), field = make('input', '', ''), name = make('label', 'field', '');
    Object.assign(field, { value, readOnly: true });
    name.append(make('span', '', label), field);
    // The clipboard of scripts is there only over HTTPS.
    line.append(name, button('Copy', `Copy: ${label}`, e => {
      field.select();
      e.target.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C';
    }));
    return line;
  };
  const made = (id, words, ...lines) => {
    const box = part(id, '.made');
    box.replaceChildren(make('p', '', words), ...lines);
    box.hidden = false;
  };
  const here = address => new URL(address, location.href).href;

  sent('viewer', (fields, form) => act('viewer', async () => {
    await send('PUT', 'users/viewer', { password: fields.get('password') });
    form.reset();
  }, 'It is set.'));
  on(el('viewer-remove'), 'click', () => act('viewer', () => send('DELETE', 'users/viewer'), 'It is removed.'));
  sent('users', (fields, form) => act('users', async () => {
    await send('PUT', user(fields.get('name')), { role: fields.get('role'), password: fields.get('password') },
      { 'If-None-Match': '*' });
    form.reset();
  }, `${fields.get('name')} may come in.`));
  sent('tokens', (fields, form) => act('tokens', async () => {
    const days = Number(fields.get('days'));
    const { name, token, scopes } = await send('POST', 'tokens',
      { name: fields.get('name'), scopes: fields.getAll('scopes'), ...days ? { days } : {} });
    const what = scopes.includes('stream') || scopes.includes('control') ? 'stream' : scopes.includes('snapshot') ? 'snapshot.jpg'
      : scopes.includes('counts') ? 'api/v1/counts' : 'api/v1/state';
    made('tokens', `The token for ${name} is shown this once.`, copied('The token', token),
      ...what.startsWith('api') ? [] : [copied('In a page', `<img src="${here(`${what}?token=${token}`)}">`)],
      copied('As a header', `Authorization: Bearer ${token}`), copied('By HTTP Basic, any name', `curl -u any:${token} ${here(what)}`));
    form.reset();
  }, 'It is made.'));
  sent('links', fields => act('links', async () => {
    const { link, until } = await send('POST', 'links', { address: fields.get('address'), hours: Number(fields.get('hours')) });
    made('links', `This link is good until ${day(until)}.`, copied('The link', here(link)));
  }, 'It is made.'));
  on(el('end-others'), 'click', () => act('sessions', async () => {
    for (const one of others) await send('DELETE', `sessions/${one.id}`);
  }, 'All others are ended.'));
  show();
}
