// Steps through the crossings: a click on a time, J and K, or on a time the arrow keys.
// @ts-check
'use strict';
{
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
  // What is chosen acts at once.
  el('show').hidden = true;
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
