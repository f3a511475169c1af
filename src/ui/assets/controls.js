// Turns the picture, the light and the lens from the page without leaving it, and shows what others have turned. The
// forms work without this file.
'use strict';
{
  const $ = el; // what may be missing on a page
  const say = (id, text) => { const e = $(id); if (e) e.textContent = text; };
  const press = (button, isOn, next = !isOn) => {
    if (!button) return;
    button.setAttribute('aria-pressed', isOn);
    button.value = next;
  };
  // A change; what went wrong is said where `said` is.
  const change = async (said, method, path, body) => {
    say(said, '');
    try {
      const now = await send(method, path, body);
      say(said, now?.unkept);
      return now;
    } catch (e) { say(said, e.message); return null; }
  };
  // Fields that somebody holds now are not moved under the finger.
  const isHeld = input => input === document.activeElement || input.matches(':active');

  // ---- how the picture is shown

  let view = null;
  const showView = v => {
    if (!v) return;
    view = v;
    press($('gray'), v.gray); press($('half'), v.scale !== '1', v.scale === '1' ? '1/2' : '1');
    press($('mirror'), v.mirror); press($('flip'), v.flip);
  };
  on($('view'), 'submit', async e => {
    e.preventDefault();
    const { name, value } = e.submitter, isTurn = name === 'turn';
    if (isTurn) view = await send('GET', 'picture').catch(() => view);
    showView(await change('turned', 'PATCH', 'picture', isTurn ? { rotate: ((view?.rotate ?? 0) + +value) % 360 }
      : { [name]: name === 'scale' ? value : value === 'true' }));
  });

  // ---- the cards are folded; this browser keeps how

  const cards = $('hands');
  if (cards) {
    try { cards.open = localStorage.getItem('hands') === 'open'; } catch { /* nothing may be stored */ }
    on(cards, 'toggle', () => { try { localStorage.setItem('hands', cards.open ? 'open' : ''); } catch { /* nor now */ } });
  }

  // ---- the light

  const light = $('light-form'), bright = $('brightness'), color = $('color');
  const WORDS = { on: 'on', auto: 'on, because the picture is dark', shot: 'full, for a snapshot' };
  const showLight = l => {
    if (!l) return;
    press($('light-on'), l.on); press($('light-too'), l.on);
    say('light-shows', WORDS[l.shows] ?? 'off');
    if (!isHeld(bright)) { bright.value = l.brightness; bright.nextElementSibling.textContent = l.brightness; }
    if (color && !isHeld(color)) color.value = '#' + l.color.toLowerCase();
    const why = $('light-why');
    why.hidden = !l.reason;
    why.textContent = [l.reason, l.hint].filter(Boolean).map(sentence).join(' ');
    l.colors.forEach((c, i) => $('dots')?.children[i]?.setAttribute('fill', '#' + c));
  };
  const setLight = async body => showLight(await change('light-said', 'PATCH', 'light', body));
  const drag = [newestOnly(setLight), newestOnly(setLight)];
  for (const form of [light, $('light-act')]) on(form, 'submit', e => {
    e.preventDefault();
    const { name, value } = e.submitter ?? {};
    if (name === 'on') setLight({ on: value === 'true' });
    if (name === 'color') setLight({ color: value });
  });
  on(bright, 'input', () => { bright.nextElementSibling.textContent = bright.value; drag[0]({ brightness: +bright.value }); });
  on(color, 'input', () => drag[1]({ color: color.value.slice(1) }));

  // ---- the lens

  const lens = $('lens-form'), place = $('position');
  let isSweeping = false;
  const showLens = l => {
    if (!l?.supported) return;
    say('sharpness', l.sharpness === null ? '–' : l.sharpness.toFixed(l.sharpness < 10 ? 2 : 0));
    if (place && !isHeld(place)) place.value = l.position ?? 0;
    if (place) say('position-now', l.position === null ? '–' : (isHeld(place) ? +place.value : l.position).toFixed(2));
    if ($('auto')) press($('auto'), l.auto);
    $('sweeping').hidden = !l.sweep;
    if (l.sweep) { $('sweep-bar').max = l.sweep.of; $('sweep-bar').value = l.sweep.done; }
    if (isSweeping && !l.sweep) say('lens-said', sentence(l.last_sweep?.said));
    isSweeping = !!l.sweep;
  };
  const setLens = async (method, path, body) => showLens(await change('lens-said', method, path, body));
  for (const form of document.querySelectorAll('form[id^=lens-]')) on(form, 'submit', e => {
    e.preventDefault();
    const { name, value } = e.submitter ?? {}, method = (form.elements._method?.value ?? 'post').toUpperCase();
    const body = { auto: { auto: value === 'true' }, step: { step: +value }, _null: { window: null } }[name];
    if (body || form !== lens) setLens(method, form.getAttribute('action').slice('api/v1/'.length), body);
  });
  const dragLens = newestOnly(position => setLens('PATCH', 'lens', { position }));
  on(place, 'input', () => { say('position-now', (+place.value).toFixed(2)); dragLens(+place.value); });

  // ---- a spot that autofocus looks at: a cross-hair on the picture

  const spot = $('spot'), AIM = 'Spot to focus on: arrows move it, Enter sets it, Escape leaves it';
  let aim = null, at = [0.5, 0.5];
  const frame = () => fit(aim, $('picture').naturalWidth ? [$('picture').naturalWidth, $('picture').naturalHeight] : [$('last').width, $('last').height]);
  const paintAim = () => {
    if (!aim) return;
    const f = frame(), [x, y] = f.at(at), d = `M${p(x - 24)} ${p(y)}h48M${p(x)} ${p(y - 24)}v48`;
    aim.setAttribute('viewBox', `0 0 ${f.W} ${f.H}`);
    for (const path of aim.children) path.setAttribute('d', d);
  };
  const endAim = () => {
    aim?.remove();
    aim = null;
    press(spot, false);
    spot.focus();
  };
  const spotAt = () => fromMine(at).map(v => +v.toFixed(3));
  const setSpot = () => { endAim(); setLens('PATCH', 'lens', { window: { x: spotAt()[0], y: spotAt()[1] } }); };
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const move = ([x, y]) => { at = [clamp(at[0] + x, 0, 1), clamp(at[1] + y, 0, 1)].map(v => +v.toFixed(3)); paintAim(); };
  if (spot) spot.hidden = false;
  on(spot, 'click', () => {
    if (aim) return endAim();
    aim = shape('svg', { class: 'ov live fresh', id: 'aim', tabindex: 0, role: 'application', 'aria-label': AIM });
    aim.append(shape('path', { class: 'case' }), shape('path', { class: 'line' }));
    on(aim, 'click', e => {
      const f = frame(), box = aim.getBoundingClientRect();
      at = [0, 0];
      move([(e.clientX - box.left - f.x) / f.w, (e.clientY - box.top - f.y) / f.h]);
      setSpot();
    });
    on(aim, 'keydown', e => {
      const way = KEYS[e.key], step = e.shiftKey ? 0.1 : 0.02;
      if (!way && e.key !== 'Enter' && e.key !== 'Escape') return;
      e.preventDefault();
      if (e.key === 'Enter') setSpot(); else if (e.key === 'Escape') endAim();
      else { move(way.map(v => v * step)); say('lens-said', at.map((v, i) => `${Math.round(v * 100)} % from the ${i ? 'top' : 'left'}`).join(', ')); }
    });
    $('shot').append(aim);
    press(spot, true);
    say('lens-said', 'Click the picture, or move the cross-hair with the arrow keys and press Enter.');
    aim.focus();
    paintAim();
  });
  addEventListener('resize', paintAim);

  // ---- what others do, and what changes by itself

  const look = async (path, take) => { try { take(await send('GET', path)); } catch { /* the next time */ } };
  const isSeen = e => e?.checkVisibility() && !document.hidden && e.getBoundingClientRect().top < innerHeight;
  let turn = 0;
  setInterval(() => {
    if (document.hidden) return;
    turn++;
    // Nothing looks through a lens that is paused: it is asked now and then, for what others have set.
    const isDue = document.body.dataset.look === 'paused' ? turn % 8 === 0 : isSeen(lens);
    if (lens && (isSweeping || isDue)) look('lens', showLens);
    if (light && turn % (isSeen(light) ? 2 : 8) === 0) look('light', showLight);
    if ($('view') && turn % 8 === 0) look('picture', showView);
  }, 500);
}
