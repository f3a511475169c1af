// Keeps the page of figures fresh, and says in words what a bar shows. Steps through the crossings: a click on a time,
// J and K, or on a time the arrow keys.
// @ts-check
'use strict';
// What is chosen acts at once.
el('show').hidden = true;
if (el('go')) {
  const FRESH_MS = 2000; // at most so often
  el('go').hidden = true;
  sendsItself(el('date').form);
  // Hours that end where they begin are half chosen.
  const { open, close } = el('choose').elements;
  sendsItself(el('choose'), () => !open.value || open.value !== close.value);

  // The range input lies over the chart.
  const read = () => {
    const input = el('reader'), col = document.querySelector('#bars .col');
    if (!input) return;
    const count = +input.max + 1;
    const rows = new Map([...el('table').tBodies[0].rows].map(row => [+(row.dataset.n ?? 0), row]));
    const show = n => {
      const at = { x: `${n / count * 100}%`, width: `${100 / count}%`, height: 208 };
      for (const [key, value] of Object.entries(at)) col?.setAttribute(key, value);
      const words = rows.get(n)?.dataset.words ?? 'still to come';
      put('read', words);
      input.setAttribute('aria-valuetext', words);
    };
    on(input, 'input', () => show(+input.value));
    on(input, 'focus', () => show(+input.value));
    on(input.parentElement, 'pointermove', e => {
      const box = input.getBoundingClientRect();
      input.value = clamp(Math.floor((e.clientX - box.left) / box.width * count), 0, count - 1);
      show(+input.value);
    });
    input.hidden = false;
    input.value = Math.max(0, ...rows.keys());
    input.setAttribute('aria-valuetext', rows.get(+input.value)?.dataset.words ?? 'still to come');
  };
  on(document, 'swap', ({ detail: parts }) => { if (parts.includes('shown')) read(); });
  read();

  let last = Date.now(), timer = 0;
  const refresh = async () => {
    clearTimeout(timer);
    timer = 0;
    // Nothing is taken from under a finger or the keyboard.
    if (el('shown').contains(document.activeElement)) { timer = setTimeout(refresh, FRESH_MS); return; }
    last = Date.now();
    const said = el('read')?.textContent;
    await renew('shown');
    if (said && el('read') && !el('reader').hidden && el('shown').matches(':hover')) put('read', said);
  };
  const soon = () => {
    if (el('shown').dataset.today !== 'true' || timer) return;
    timer = setTimeout(refresh, Math.max(0, FRESH_MS - (Date.now() - last)));
  };
  // The first tally is what the page shows already.
  let isFirst = true;
  listen({ tally: () => { if (!isFirst) soon(); isFirst = false; } }, soon);
}
if (el('crossings')) {
  const links = () => [...document.querySelectorAll('a.at')];
  const isCurrent = link => link.ariaCurrent === 'true';
  const choose = async link => {
    for (const one of links()) one.ariaCurrent = one === link ? 'true' : null;
    link.focus();
    history.replaceState(null, '', link.href.replace(/#.*/, ''));
    if (await renew('one')) put('news', el('one').querySelector('h2')?.textContent ?? '');
    // On a phone the crossing lies over the end of the table.
    link.scrollIntoView({ block: 'nearest' });
  };
  sendsItself(el('choose'));
  on(el('crossings'), 'click', e => {
    const link = e.target.closest('a.at');
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    choose(link);
  });
  on(document, 'keydown', e => {
    // Elsewhere the arrows scroll.
    const keys = { j: 1, k: -1 }, arrows = { ArrowDown: 1, ArrowUp: -1 };
    const step = keys[e.key] || (e.target.closest('a.at') && arrows[e.key]);
    if (!step || isTyped(e)) return;
    const all = links(), at = all.findIndex(isCurrent), next = all[at < 0 ? 0 : at + step];
    if (!next) return;
    e.preventDefault();
    choose(next);
  });
}
