// lines.js: what a line or zone under edit would have counted, and how its ends and corners are moved.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { page, Stub } = require('./stand_in.js');

// The editor, with a drawing of 400 × 400 pixels over a square picture.
const editor = (kind, values) => {
  const fields = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Stub('input', { name, value })]));
  const elements = {
    main: new Stub('main', { dataset: { kind, id: '', version: '' } }),
    draw: new Stub('svg', { clientWidth: 400, clientHeight: 400 }),
    last: new Stub('canvas', { width: 400, height: 400 }),
    form: new Stub('form', { elements: fields }),
    picture: new Stub('img', { complete: true, naturalWidth: 400 }),
    near: new Stub('p', { hidden: true }),
  };
  const it = page(['lines.js'], { elements });
  elements.draw.setPointerCapture = () => {};
  const track = (number, ...boxes) => {
    for (const [l, t, r, b] of boxes) {
      it.clock.ms += 100;
      it.send('overlay', { size: [400, 400], tracks: [[number, 'person', 0.9, l, t, r, b, 0, 0, 1]], zones: [] });
      it.frames.at(-1)();
    }
  };
  const set = (name, value) => {
    fields[name].value = value;
    elements.form.dispatchEvent({ type: 'input', target: fields[name] });
  };
  const would = () => ['would-in', 'would-out'].map(id => it.document.getElementById(id).textContent);
  return { ...it, fields, track, set, would };
};
const LINE = { ax: '50', ay: '100', bx: '50', by: '0', in_name: 'in', anchor: 'bottom', recrossing: 'every' };
// A box of a tenth of the picture with its feet there.
const at = (x, y) => [x - 0.05, y - 0.1, x + 0.05, y];

test('to the left of the line’s way is in, back again is out', () => {
  const { track, would, set } = editor('line', LINE);
  track(1, at(0.7, 0.5), at(0.6, 0.5));
  assert.deepEqual(would(), ['0', '0']);
  track(1, at(0.4, 0.5));
  assert.deepEqual(would(), ['1', '0']);
  track(1, at(0.6, 0.5));
  assert.deepEqual(would(), ['1', '1']);
  set('recrossing', 'once');
  assert.deepEqual(would(), ['1', '0'], 'it is counted the first time only');
});

test('a line that ends within the picture can be walked around', () => {
  const { track, would, set } = editor('line', { ...LINE, ay: '60', by: '20' });
  track(1, at(0.6, 0.9), at(0.4, 0.9));
  assert.deepEqual(would(), ['0', '0'], 'around its end');
  track(2, at(0.6, 0.4), at(0.4, 0.4));
  assert.deepEqual(would(), ['1', '0']);
});

test('a line up to the edge of the picture goes on beyond it', () => {
  const { track, would, set } = editor('line', LINE);
  track(1, at(0.6, 1.03), at(0.4, 1.03));
  assert.deepEqual(would(), ['1', '0'], 'below');
  set('ay', '90');
  assert.deepEqual(would(), ['0', '0']);
  set('anchor', 'top');
  track(2, at(0.4, 0.07), at(0.6, 0.07));
  assert.deepEqual(would(), ['0', '1'], 'above');
  set('by', '10');
  assert.deepEqual(would(), ['0', '0']);
});

test('the count point decides where a box is', () => {
  const { track, would, set } = editor('line', { ...LINE, ax: '0', ay: '50', bx: '100', by: '50' });
  // Its feet go from 45 % to 55 %, its head from 35 % to 45 %.
  track(1, at(0.5, 0.45), at(0.5, 0.55));
  assert.notDeepEqual(would(), ['0', '0']);
  for (const [anchor, count] of [['top', 0], ['box', 0], ['left', 0], ['bottom', 1]]) {
    set('anchor', anchor);
    assert.equal(would().reduce((sum, n) => sum + +n, 0), count, anchor);
  }
  set('anchor', 'box');
  track(1, at(0.5, 0.65));
  assert.equal(would().reduce((sum, n) => sum + +n, 0), 1, 'all of it has passed');
});

test('a line that no count point reaches is warned about', () => {
  const { track, set, elements } = editor('line', LINE);
  track(1, at(0.5, 0.5));
  for (const name of ['ay', 'by']) set(name, '2');
  assert.equal(elements.near.hidden, false, 'feet are never so near to the upper edge');
  for (const name of ['ay', 'by']) set(name, '50');
  assert.equal(elements.near.hidden, true);
  set('ay', '1');
  assert.equal(elements.near.hidden, true, 'its other end is reached');
  set('ax', '40');
  set('by', '10');
  assert.equal(elements.near.hidden, false, 'neither end is');
});

test('what stands in a zone is inside', () => {
  const { track, set, would } = editor('zone', { corners: '20 20\n80 20\n80 80', anchor: 'bottom', exclude: '' });
  track(1, at(0.3, 0.6));
  assert.equal(would()[0], '0', 'beyond the slanted side');
  set('corners', '20 20\n80 20\n80 80\n20 80');
  assert.equal(would()[0], '1');
  track(1, at(0.9, 0.5));
  assert.equal(would()[0], '0');
  set('corners', '20 20; 20\n95 20\n95 95\n20 95');
  assert.equal(would()[0], '1');
});

test('arrow keys move an end, not beyond the picture', () => {
  const { elements, fields } = editor('line', LINE);
  const [end] = elements.draw.children.slice(-2);
  const press = (key, shiftKey) => elements.draw.dispatchEvent({ type: 'keydown', target: end, key, shiftKey, preventDefault() {} });
  press('ArrowLeft');
  press('ArrowUp', true);
  assert.deepEqual([fields.ax.value, fields.ay.value], ['49.5', '95.0']);
  press('ArrowDown', true);
  press('ArrowDown', true);
  assert.deepEqual([fields.ax.value, fields.ay.value], ['49.5', '100.0']);
});

test('clicks lay the corners of a zone, and the first corner closes it', () => {
  const { elements, fields, document } = editor('zone', { corners: '20 20\n80 20\n80 80', anchor: 'bottom', exclude: '' });
  const target = Object.assign(elements.draw, { closest: () => null });
  const on = (type, [x, y]) => elements.draw.dispatchEvent({
    type, target, clientX: x * 400, clientY: y * 400, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: 0, preventDefault() {},
  });
  const click = at => { on('pointerdown', at); on('pointerup', at); };
  const key = name => document.dispatchEvent({ type: 'keydown', key: name, target: document.body, preventDefault() {} });
  const said = () => document.getElementById('news').textContent;
  for (const at of [[0.1, 0.1], [0.9, 0.1], [0.9, 0.1], [0.5, 0.9]]) click(at);
  assert.equal(fields.corners.value, '10.0 10.0\n90.0 10.0\n50.0 90.0', 'a second click on the same place is none');
  assert.match(said(), /^Corner 3\. Enter closes/);
  click([0.11, 0.11]);
  assert.match(said(), /^Closed\. 3 corners/);
  // A drag is a rectangle, as ever.
  on('pointerdown', [0.2, 0.2]);
  on('pointermove', [0.6, 0.5]);
  on('pointerup', [0.6, 0.5]);
  assert.equal(fields.corners.value, '20.0 20.0\n60.0 20.0\n60.0 50.0\n20.0 50.0');
  // Escape takes all corners back, Enter wants three of them.
  click([0.3, 0.3]);
  click([0.7, 0.3]);
  key('Enter');
  assert.match(said(), /needs 3/);
  key('Escape');
  assert.equal(fields.corners.value, '20.0 20.0\n60.0 20.0\n60.0 50.0\n20.0 50.0');
});

test('Enter adds a corner after one, Delete removes one, and three stay', () => {
  const { elements, fields } = editor('zone', { corners: '20 20\n80 20\n80 80', anchor: 'bottom', exclude: '' });
  const press = (i, key) => elements.draw.dispatchEvent({
    type: 'keydown', target: elements.draw.children.filter(one => one.attributes.class === 'grab')[i], key, preventDefault() {},
  });
  press(0, 'Enter');
  assert.equal(fields.corners.value, '20.0 20.0\n50.0 20.0\n80.0 20.0\n80.0 80.0');
  press(1, 'Delete');
  press(0, 'Delete');
  assert.equal(fields.corners.value, '20.0 20.0\n80.0 20.0\n80.0 80.0');
});
