// Sliders of light and lens, the spot to focus on, and changes by others. The forms work without this file.
// @ts-check
'use strict';
{
  const $ = el; // elements that may be missing on a page
  const say = (id, text) => { const e = $(id); if (e) e.textContent = text; };
  // A change; a problem is said in the element `said`.
  const change = async (said, path, body) => {
    say(said, '');
    try { say(said, (await send('PATCH', path, body))?.unsaved); } catch (e) { say(said, e.message); }
  };

  // ---- the cards are folded; this browser keeps how

  const cards = $('hands');
  if (cards) {
    cards.open = !!recall('hands');
    on(cards, 'toggle', () => store('hands', cards.open));
  }

  const LIGHT = ['light-on', 'light-too', 'light-shows', 'light-why', 'brightness', 'brightness-now', 'color', 'dots'];
  let settled = 0;
  const setLight = newestOnly(async body => {
    await change('light-said', 'light', body);
    clearTimeout(settled);
    settled = setTimeout(renew, 300, ...LIGHT);
  });
  const setLens = body => change('lens-said', 'lens', body);
  const dragLens = newestOnly(position => setLens({ position }));
  on(document, 'input', ({ target: { id, value, nextElementSibling: beside } }) => {
    if (id === 'brightness') { beside.textContent = value; setLight({ brightness: +value }); }
    if (id === 'color') setLight({ color: value.slice(1) });
    if (id === 'position') { say('position-now', (+value).toFixed(2)); dragLens(+value); }
  });

  // ---- a spot that autofocus looks at: a cross-hair on the picture

  const AIM = 'Spot to focus on: arrows move it, Enter sets it, Escape leaves it';
  let aim = null, at = /** @type {Point} */ ([0.5, 0.5]);
  const frame = () => {
    const { naturalWidth: width, naturalHeight: height } = $('picture');
    return fit(aim, width ? [width, height] : [$('last').width, $('last').height]);
  };
  const paintAim = () => {
    if (!aim) return;
    const f = frame(), [x, y] = f.at(at), d = `M${p(x - 24)} ${p(y)}h48M${p(x)} ${p(y - 24)}v48`;
    aim.setAttribute('viewBox', `0 0 ${f.W} ${f.H}`);
    for (const path of aim.children) path.setAttribute('d', d);
  };
  const endAim = () => {
    aim?.remove();
    aim = null;
    $('spot').setAttribute('aria-pressed', false);
    $('spot').focus();
  };
  const setSpot = () => {
    const [x, y] = fromMine(at).map(v => +v.toFixed(3));
    endAim();
    setLens({ window: { x, y } });
  };
  const move = ([x, y]) => {
    at = [+clamp(at[0] + x, 0, 1).toFixed(3), +clamp(at[1] + y, 0, 1).toFixed(3)];
    paintAim();
  };
  const showSpot = () => { if ($('spot')) $('spot').hidden = false; };
  on(document, 'swap', showSpot);
  showSpot();
  on(document, 'click', e => {
    if (e.target.id !== 'spot') return;
    if (aim) { endAim(); return; }
    aim = shape('svg', { class: 'ov live fresh', id: 'aim', tabindex: 0, role: 'application', 'aria-label': AIM });
    aim.append(shape('path', { class: 'case' }), shape('path', { class: 'line' }));
    on(aim, 'click', e => {
      const f = frame(), box = aim.getBoundingClientRect();
      at = [0, 0];
      move([(e.clientX - box.left - f.x) / f.w, (e.clientY - box.top - f.y) / f.h]);
      setSpot();
    });
    on(aim, 'keydown', e => {
      const way = ARROWS[e.key], step = e.shiftKey ? 0.1 : 0.02;
      if (!way && e.key !== 'Enter' && e.key !== 'Escape') return;
      e.preventDefault();
      if (e.key === 'Enter') setSpot(); else if (e.key === 'Escape') endAim();
      else {
        move(way.map(v => v * step));
        say('lens-said', at.map((v, i) => `${Math.round(v * 100)} % from the ${i ? 'top' : 'left'}`).join(', '));
      }
    });
    $('shot').append(aim);
    $('spot').setAttribute('aria-pressed', true);
    say('lens-said', 'Click the picture, or move the cross-hair with the arrow keys and press Enter.');
    aim.focus();
    paintAim();
  });
  addEventListener('resize', paintAim);

  let isSweeping = false, turn = 0;
  const lookThrough = async () => {
    const l = await send('GET', 'lens').catch(() => null), place = $('position');
    if (!l?.supported) return;
    const isHeld = place?.matches(':focus, :active');
    say('sharpness', l.sharpness === null ? '–' : l.sharpness.toFixed(l.sharpness < 10 ? 2 : 0));
    if (place && !isHeld) place.value = l.position ?? 0;
    if (place) say('position-now', l.position === null ? '–' : (isHeld ? +place.value : l.position).toFixed(2));
    $('sweeping').hidden = !l.sweep;
    if (l.sweep) { $('sweep-bar').max = l.sweep.of; $('sweep-bar').value = l.sweep.done; }
    if (`${l.auto}` !== ($('auto')?.ariaPressed ?? `${l.auto}`)) renew('auto');
    if (isSweeping && !l.sweep) renew('lens-said');
    isSweeping = !!l.sweep;
  };
  // Only after somebody has set another light or view; `luma` changes by itself.
  let known = '';
  const lookAtLight = async () => {
    try {
      const [{ luma, ...light }, view] = await Promise.all(['light', 'picture'].map(path => send('GET', path)));
      const now = JSON.stringify([light, view]);
      if (now !== known) await renew('everyone', ...LIGHT);
      known = now;
    } catch { /* the next time */ }
  };
  const isSeen = e => e?.checkVisibility() && !document.hidden && e.getBoundingClientRect().top < innerHeight;
  setInterval(() => {
    if (document.hidden) return;
    turn++;
    // What others have set, while it is paused.
    const isDue = document.body.dataset.look === 'paused' ? turn % 8 === 0 : isSeen($('lens-form'));
    if ($('lens') && (isSweeping || isDue)) lookThrough();
    const isOpen = $('everyone') && (cards?.open || $('turn').open);
    if (turn % 2 === 0 && (isSeen($('light')) || (turn % 8 === 0 && isOpen))) lookAtLight();
  }, 500);
}
