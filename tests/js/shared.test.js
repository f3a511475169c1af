// page.js: times, sizes, requests in order, views and shapes.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { page } = require('./stand_in.js');

const plain = value => JSON.parse(JSON.stringify(value));
const near = (is, should) => is.forEach((v, i) => assert.ok(Math.abs(v - should[i]) < 1e-9, `${is}, not ${should}`));

test('times are those of the camera, wherever the browser is', () => {
  const { run } = page([], { zone: 5 * 3600 + 45 * 60 });
  assert.equal(run("exact(Date.UTC(2026, 5, 1, 20, 30, 15))"), '02:15:15');
  assert.equal(run("local(Date.UTC(2026, 5, 1, 20, 30, 15)).slice(0, 10)"), '2026-06-02');
});

test('sizes and lengths are told as the server tells them', () => {
  const { run } = page([]);
  const cases = [[0, '0 bytes'], [1, '1 kB'], [999_499, '999 kB'], [999_500, '1.0 MB'], [9_949_999, '9.9 MB'],
    [9_950_000, '10 MB'], [999_500_000, '1.0 GB'], [99_950_000_000, '100 GB']];
  for (const [bytes, words] of cases) assert.equal(run(`size(${bytes})`), words);
  for (const [seconds, words] of [[0, '0:00'], [61.9, '1:01'], [3599, '59:59'], [3661, '1:01:01']]) {
    assert.equal(run(`running(${seconds})`), words);
  }
});

test('words end like a sentence', () => {
  const { run } = page([]);
  const cases = [['done', 'Done.'], ['done it.', 'Done it.'], ['counts.db is', 'counts.db is.'],
    ['Saving …', 'Saving …'], ['why?', 'why?'], ['', '']];
  for (const [words, as] of cases) assert.equal(run(`sentence(${JSON.stringify(words)})`), as);
});

test('while one request is under way only the newest of the others waits', async () => {
  const { run } = page([]);
  const asked = [], ends = [];
  const send = run('newestOnly')(value => { asked.push(value); return new Promise(end => ends.push(end)); });
  const turn = () => new Promise(setImmediate);
  send(1); send(2); send(3);
  assert.deepEqual(asked, [1]);
  ends[0]();
  await turn();
  assert.deepEqual(asked, [1, 3], 'the second was overtaken');
  ends[1]();
  await turn();
  send(undefined);
  assert.deepEqual(asked, [1, 3, undefined], 'any value is sent');
});

// The place in the picture that the server turns, mirrors and flips in this order.
const turned = ([x, y], { rotate, mirror, flip }) => {
  for (let quarter = 0; quarter < rotate; quarter += 90) [x, y] = [1 - y, x];
  return [mirror ? 1 - x : x, flip ? 1 - y : y];
};

test('a place in the picture is found in a private view, and back', () => {
  for (const rotate of [0, 90, 180, 270]) for (const mirror of [false, true]) for (const flip of [false, true]) {
    const view = { rotate, mirror, flip }, { run } = page([], { view });
    for (const place of [[0, 0], [1, 0], [0.25, 0.6]]) {
      const mine = plain(run('toMine')(place));
      near(mine, turned(place, view));
      near(plain(run('fromMine')(mine)), place);
    }
    assert.deepEqual(plain(run('turnedSize([640, 480])')), rotate % 180 ? [480, 640] : [640, 480]);
  }
});

test('a picture lies in the middle of its drawing, as large as it can', () => {
  const { run } = page([]), fit = run('fit');
  const wide = fit({ clientWidth: 1000, clientHeight: 500 }, [400, 400]);
  assert.deepEqual([wide.x, wide.y, wide.w, wide.h], [250, 0, 500, 500]);
  assert.deepEqual(plain(wide.at([0, 0])), [250, 0]);
  assert.deepEqual(plain(wide.at([0.5, 1])), [500, 500]);
  const high = fit({ clientWidth: 300, clientHeight: 600 }, [1920, 1080]);
  assert.deepEqual([high.x, high.w, high.h], [0, 300, 168.75]);
  assert.equal(high.y, (600 - 168.75) / 2);
  assert.equal(fit({ clientWidth: 0, clientHeight: 0 }, [4, 3]).W, 1, 'a drawing that is not laid out yet');
});

const LINE = { name: 'Door', in_name: 'in', a: [0.5, 1], b: [0.5, 0] };
const shapes = (line, more) => {
  const { run } = page([]), place = run('fit')({ clientWidth: 400, clientHeight: 400 }, [400, 400]);
  return run('lineShapes')(line, { ...place, ...more });
};
const numbers = d => d.match(/-?[\d.]+/g).map(Number);

test('the arrow of a line points to the left of its way, and to the right in a mirror', () => {
  const [, bar, arrow, way, name] = shapes(LINE);
  assert.equal(bar.attributes.d, 'M200.0 400.0L200.0 0.0');
  // From a, below, to b, above: left is left.
  assert.deepEqual(numbers(arrow.attributes.d).slice(0, 4), [194, 200, 160, 200]);
  assert.ok(+way.attributes.x < 160, 'its word stands at the tip');
  assert.deepEqual([way.textContent, name.textContent], ['in', 'Door']);
  const mirrored = shapes(LINE, { isMirrored: true })[2];
  assert.deepEqual(numbers(mirrored.attributes.d).slice(0, 4), [206, 200, 240, 200]);
});

test('the words of a line stay on the drawing', () => {
  const long = { in_name: 'towards the old town', name: 'Main entrance to the street' };
  const [, , , way, name] = shapes({ ...LINE, ...long, a: [0, 1], b: [0, 0] });
  for (const text of [way, name]) {
    const { x, y } = text.attributes;
    assert.ok(+x >= 4.5 * text.textContent.length && +y >= 16 && +y <= 390, text.attributes);
  }
  const point = shapes({ ...LINE, b: LINE.a })[1];
  assert.equal(point.attributes.d, 'M200.0 400.0L200.0 400.0', 'a line without length is drawn');
});

test('a zone is named in its middle', () => {
  const { run } = page([]), place = run('fit')({ clientWidth: 400, clientHeight: 200 }, [400, 200]);
  const zone = { name: 'Hall', exclude: true, points: [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]] };
  const [outline, name] = run('zoneShapes')(zone, place);
  assert.equal(outline.attributes.d, 'M100.0 50.0L300.0 50.0L300.0 150.0L100.0 150.0z');
  assert.equal(outline.attributes.class, 'zone off');
  assert.deepEqual([name.attributes.x, name.attributes.y, name.textContent], ['200.0', '100.0', 'Hall']);
});
