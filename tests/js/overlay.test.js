// overlay.js: boxes, trails and flashes over the picture.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { page, Stub } = require('./stand_in.js');

const NOT_SEEN = 0, SEEN = 1;
// The live page with a drawing of 400 × 400 pixels over a square picture, one line, and a clock at 1000 ms.
const live = options => {
  const elements = {
    overlay: new Stub('svg', { clientWidth: 400, clientHeight: 400 }),
    last: new Stub('canvas', { width: 400, height: 400 }),
    log: new Stub('ol', { children: [new Stub('li', { dataset: { id: '4' } })] }),
  };
  const it = page(['overlay.js'], { elements, ...options });
  it.clock.ms = 1000;
  it.send('lines', { items: [{ id: 7, name: 'Door', in_name: 'in', a: [0, 0.5], b: [1, 0.5] }], zones: [] });
  const [drawn, moving] = elements.overlay.children;
  const [trail, , boxes, words] = moving.children;
  // A detection: [number, class, confidence, left, top, right, bottom, velocity, in sight].
  const look = (...tracks) => it.send('overlay', { size: [400, 400], tracks, zones: [] });
  const later = ms => { it.clock.ms += ms; it.frames.at(-1)(); };
  return { ...it, drawn, trail, boxes, words, look, later };
};
const box = (velocity = [0, 0], sight = SEEN) => [3, 'person', 0.9, 0.25, 0.5, 0.5, 0.75, ...velocity, sight];

test('a box moves on with its velocity until it is seen again', () => {
  const { look, later, boxes, words } = live();
  look(box([0.5, 0]));
  assert.equal(boxes.attributes.d, 'M100.0 200.0H200.0V300.0H100.0z');
  assert.equal(words.children[0].textContent, 'person 3');
  assert.deepEqual([words.children[0].attributes.x, words.children[0].attributes.y], ['100.0', '194.0']);
  later(500);
  assert.equal(boxes.attributes.d, 'M200.0 200.0H300.0V300.0H200.0z');
  look(box());
  later(100);
  assert.equal(boxes.attributes.d, 'M100.0 200.0H200.0V300.0H100.0z');
});

test('the trail follows the feet and is three seconds long', () => {
  const { look, later, trail } = live();
  look(box([0.1, 0]));
  later(1000);
  assert.equal(trail.attributes.d, 'M150.0 300.0L190.0 300.0');
  look(box());
  later(1500);
  look(box());
  later(1000);
  // Detections at 1000, 2000 and 3500 ms; it is 4500 ms, and the feet are where they were.
  assert.equal(trail.attributes.d.match(/ 300\.0/g).length, 3, 'the first one is too old; the last is where it is now');
});

test('what is out of sight is not drawn, and what is long gone is forgotten', () => {
  const { look, later, boxes, words, frames } = live();
  look(box([0, 0], NOT_SEEN));
  assert.deepEqual([boxes.attributes.d, words.children.length], ['', 0]);
  look(box());
  later(2001);
  assert.equal(boxes.attributes.d, '');
  const asked = frames.length;
  frames.at(-1)();
  assert.equal(frames.length, asked, 'nothing is drawn any more');
});

test('boxes, lines and trails are drawn in this browser’s own view', () => {
  const { look, boxes, drawn } = live({ view: { rotate: 90 } });
  look(box());
  assert.equal(boxes.attributes.d, 'M200.0 100.0H100.0V200.0H200.0z');
  const line = drawn.children.find(one => one.attributes.class === 'line');
  assert.equal(line.attributes.d, 'M200.0 0.0L200.0 400.0');
});

test('a crossed line flashes, in the colour of its direction, and once for each crossing', () => {
  const { send, later, drawn } = live();
  const hit = drawn.children.at(-1);
  send('crossing', { id: 5, line_id: 7, direction: 'out' });
  assert.deepEqual([hit.attributes.d, hit.attributes.class], ['M0.0 200.0L400.0 200.0', 'hit o']);
  later(1501);
  assert.equal(hit.attributes.d, '');
  send('crossing', { id: 5, line_id: 7, direction: 'in' });
  assert.equal(hit.attributes.d, '', 'it was told already');
});

test('what is asked of the state of counting is in the answers of the API', () => {
  const read = file => readFileSync(join(__dirname, '../..', file), 'utf8');
  const counting = JSON.parse(/"counting":(\{[^}]*\})/.exec(read('tests/golden/http/api.txt'))[1]);
  const asked = [...read('src/ui/assets/overlay.js').matchAll(/\bcounting\.(\w+)/g)].map(([, name]) => name);
  assert.ok(asked.length > 5, `${asked}`);
  assert.deepEqual(asked.filter(name => !(name in counting)), []);
});
