// counts.js: the chart is read with a range input that lies over it.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { page, Stub } = require('./stand_in.js');

const chart = more => {
  const row = (n, words) => new Stub('tr', { dataset: { n: `${n}`, words } });
  const parent = new Stub('figure');
  const elements = {
    reader: new Stub('input', { max: '3', parentElement: parent, clientWidth: 400 }),
    table: new Stub('table', { tBodies: [{ rows: [row(0, '8 in at 8:00'), row(2, '3 in at 10:00')] }] }),
    crossings: null,
    choose: new Stub('form', { elements: { open: new Stub('input'), close: new Stub('input') } }),
    ...more,
  };
  const col = new Stub('rect');
  const it = page(['counts.js'], { elements, selected: { '#bars .col': col } });
  const point = x => parent.dispatchEvent({ type: 'pointermove', clientX: x });
  return { ...it, col, point, reader: elements.reader };
};

test('a pointer chooses the bar under it, and its words are read', () => {
  const { reader, col, point, elements } = chart();
  assert.equal(reader.value, 2, 'the newest bar comes first');
  point(250);
  assert.deepEqual([reader.value, elements.read.textContent], [2, '3 in at 10:00']);
  assert.deepEqual([col.attributes.x, col.attributes.width], ['50%', '25%']);
  point(399);
  assert.deepEqual([reader.value, elements.read.textContent], [3, 'still to come']);
  point(-20);
  assert.deepEqual([reader.value, reader.attributes['aria-valuetext']], [0, '8 in at 8:00']);
  point(9999);
  assert.equal(reader.value, 3, 'beyond the chart it is the last one');
});

test('hours that end where they begin are not sent', () => {
  const { elements: { choose } } = chart();
  let sent = 0;
  choose.requestSubmit = () => { sent++; };
  const change = (open, close) => {
    [choose.elements.open.value, choose.elements.close.value] = [open, close];
    choose.dispatchEvent({ type: 'change', target: choose.elements.open });
  };
  change('08:00', '08:00');
  assert.equal(sent, 0);
  change('08:00', '18:00');
  change('', '');
  assert.equal(sent, 2);
});

test('a day of the calendar is sent at once, a typed one when its field is left', () => {
  let sent = 0;
  const form = new Stub('form', { requestSubmit: () => { sent++; } });
  const day = new Stub('input', { type: 'date', form, value: '2026-11-30', defaultValue: '2026-11-30' });
  chart({ date: day });
  const happens = type => form.dispatchEvent({ type, target: day });
  happens('change');
  assert.equal(sent, 1);
  for (const typed of ['2026-01-30', '2026-01-16', '0002-01-16', '2025-01-16']) {
    day.value = typed;
    happens('keydown');
    happens('change');
  }
  assert.equal(sent, 1, 'no key sends it');
  happens('focusout');
  assert.equal(sent, 2);
  happens('focusout');
  assert.equal(sent, 2);
});
