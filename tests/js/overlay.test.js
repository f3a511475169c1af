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
  const [trail, , boxes, faded, words, searched] = moving.children;
  // A detection: [number, class, confidence, left, top, right, bottom, velocity, in sight].
  const look = (...tracks) => it.send('overlay', { size: [400, 400], tracks, zones: [] });
  const later = ms => { it.clock.ms += ms; it.frames.at(-1)(); };
  return { ...it, drawn, trail, boxes, faded, words, searched, look, later };
};
const box = (velocity = [0, 0], sight = SEEN) => [3, 'person', 0.9, 0.25, 0.5, 0.5, 0.75, ...velocity, sight];

test('a box moves on with its velocity until it is seen again', () => {
  const { look, later, boxes, words } = live();
  look(box([0.5, 0]));
  assert.equal(boxes.attributes.d, 'M100.0 200.0H200.0V300.0H100.0z');
  assert.equal(words.children[0].textContent, 'person 3');
  assert.deepEqual([words.children[0].attributes.x, words.children[0].attributes.y], ['100.0', '194.0']);
  // Detections come every 200 ms: it moves on for half of that, and waits there.
  later(50);
  assert.equal(boxes.attributes.d, 'M110.0 200.0H210.0V300.0H110.0z');
  later(200);
  assert.equal(boxes.attributes.d, 'M120.0 200.0H220.0V300.0H120.0z');
  look(box());
  later(100);
  assert.equal(boxes.attributes.d, 'M100.0 200.0H200.0V300.0H100.0z');
});

test('a box that one detection has missed fades, and then goes', () => {
  const { look, later, boxes, faded, words } = live();
  look(box());
  later(200);
  look(box([0, 0], NOT_SEEN));
  assert.ok(boxes.attributes.d && !faded.attributes.d);
  later(150);
  assert.ok(!boxes.attributes.d && faded.attributes.d);
  assert.equal(words.children[0].attributes.class, 'dim');
  look(box());
  later(1);
  assert.ok(boxes.attributes.d && !faded.attributes.d, 'it is seen again');
  later(2000);
  assert.deepEqual([boxes.attributes.d, faded.attributes.d, words.children.length], ['', '', 0]);
});

test('the parts of the picture that are searched have a frame, and all of it has none', () => {
  const { send, searched, clock } = live();
  const search = (...part) => send('overlay', { size: [400, 400], tracks: [], zones: [], searched: part });
  search(0, 0, 1, 1);
  search(0, 0.5, 0.5, 1);
  assert.equal(searched.attributes.d, 'M0.0 200.0H200.0V400.0H0.0z');
  search(0.5, 0.5, 1, 1);
  assert.equal(searched.attributes.d.match(/M/g).length, 2, 'they are searched in turn');
  clock.ms += 2001;
  search(1, 1, 0, 0);
  assert.equal(searched.attributes.d, '', 'nothing is searched');
});

test('the trail follows the feet and is three seconds long', () => {
  const { look, later, trail } = live();
  look(box([0.1, 0]));
  later(200);
  assert.equal(trail.attributes.d, 'M150.0 300.0L154.0 300.0');
  for (let i = 0; i < 9; i++) { look(box()); later(400); }
  // Detections at 1200, 1600 … 4400 ms; it is 4800 ms, and the feet are where they were.
  assert.equal(trail.attributes.d.match(/ 300\.0/g).length, 8, 'two are too old; the last is where it is now');
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
