// A stand-in for a browser, for what the pages' scripts compute: elements without layout, and a clock that stands still.
// Scripts run as on a page: one after the other, with one scope that all of them share.
'use strict';
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const vm = require('node:vm');

const ASSETS = join(__dirname, '../../src/ui/assets');

/** An element. What a test asks of it is what a script has set. */
class Stub {
  constructor(name = 'div', properties = {}) {
    Object.assign(this, {
      name, attributes: {}, children: [], dataset: {}, heard: {}, textContent: '', hidden: false, value: '',
      clientWidth: 0, clientHeight: 0, disabled: false,
      classList: { add() {}, remove() {}, toggle() {} }, style: {},
    }, properties);
  }
  setAttribute(key, value) { this.attributes[key] = `${value}`; }
  getAttribute(key) { return this.attributes[key] ?? null; }
  removeAttribute(key) { delete this.attributes[key]; }
  append(...more) { this.children.push(...more); }
  replaceChildren(...all) {
    this.children = all;
    if (all.every(one => typeof one === 'string' || one instanceof Stub)) {
      this.textContent = all.map(one => one.textContent ?? one).join('');
    }
  }
  get lastChild() { return this.children.at(-1); }
  get lastElementChild() { return { remove: () => this.children.pop() }; }
  get firstElementChild() { return this.children[0]; }
  get childElementCount() { return this.children.length; }
  addEventListener(type, act) { (this.heard[type] ??= []).push(act); }
  dispatchEvent(event) { for (const act of this.heard[event.type] ?? []) act(event); }
  querySelector() { return null; }
  querySelectorAll() { return []; }
  getBoundingClientRect() { return { left: 0, top: 0, width: this.clientWidth, height: this.clientHeight }; }
  matches() { return false; }
  closest() { return null; }
  contains() { return false; }
  checkValidity() { return true; }
  focus() {}
}

/**
 * Runs scripts in a page with these elements, by id; any other is made when it is asked for.
 * `selected` has what `document.querySelector` finds; `zone` is the camera's offset from UTC, in seconds.
 */
const page = (scripts, { elements = {}, selected = {}, zone = 0, view } = {}) => {
  const clock = { ms: 0 }, frames = [], listened = {};
  const document = Object.assign(new Stub('document'), {
    getElementById: id => id in elements ? elements[id] : (elements[id] = new Stub()),
    createElementNS: (_, name) => new Stub(name),
    createElement: name => new Stub(name),
    querySelector: selector => selector === '[data-offset]' ? new Stub('main', { dataset: { offset: `${zone}` } })
      : selected[selector] ?? null,
    activeElement: null, body: new Stub('body'), hidden: false,
  });
  const context = vm.createContext({
    document, console, structuredClone, URL, URLSearchParams, AbortSignal, listened,
    performance: { now: () => clock.ms },
    localStorage: { getItem: key => key === 'view' && view ? JSON.stringify(view) : null, setItem() {} },
    location: new URL('http://cam/page'), history: { replaceState() {} },
    matchMedia: () => ({ matches: false }),
    ResizeObserver: class { constructor(act) { this.act = act; } observe() { this.act(); } },
    requestAnimationFrame: act => frames.push(act), cancelAnimationFrame() {},
    setTimeout: () => 1, clearTimeout() {}, setInterval() {}, addEventListener() {},
    CustomEvent: class { constructor(type, { detail }) { Object.assign(this, { type, detail }); } },
  });
  const run = script => vm.runInContext(script, context);
  for (const script of ['page.js', ...scripts]) {
    run(readFileSync(join(ASSETS, script), 'utf8'));
    // Events of the server are handed over by the test.
    if (script === 'page.js') context.SharedWorker = class {
      constructor() { this.port = { postMessage() {} }; listened.port = this.port; }
      addEventListener() {}
    };
  }
  return {
    run, elements, document, clock, frames,
    send: (type, data) => listened.port.onmessage({ data: [type, JSON.stringify(data)] }),
  };
};

module.exports = { page, Stub };
