// A shared worker: hears api/v1/events once for all windows of a camera. A window posts the list of its types, and an
// empty one when it goes out of sight.
// @ts-check
'use strict';
{
  const AGAIN_MS = 3000, QUIET_MS = 30_000;
  const windows = new Map(); // port → types
  const newest = new Map(); // type → what a window that comes later begins with
  let source = null, heard = '', lastId = '', timer = 0, lastAt = 0;

  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    newest.clear();
    if (!heard) return;
    lastAt = performance.now();
    // A new connection goes on after the last crossing that the old one told of.
    source = new EventSource(`api/v1/events?types=${heard}` + (lastId && `&last_event_id=${lastId}`));
    for (const type of heard.split(',')) source.addEventListener(type, e => {
      lastAt = performance.now();
      lastId = e.lastEventId;
      if (type !== 'crossing') newest.set(type, e.data);
      for (const [port, types] of windows) if (types.includes(type)) port.postMessage([type, e.data]);
    });
    source.addEventListener('error', () => {
      newest.clear();
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS);
    });
  };

  const ask = (port, types) => {
    if (types.length) windows.set(port, types); else windows.delete(port);
    const wanted = [...new Set([...windows.values()].flat())].sort();
    // Whoever comes back much later wants no crossings of the time between.
    if (!wanted.includes('crossing')) lastId = '';
    // A connection that has said nothing for long may be dead, as after a night or in another network.
    if (wanted.join() !== heard || performance.now() - lastAt > QUIET_MS) {
      heard = wanted.join();
      open();
    } else for (const type of types) if (newest.has(type)) port.postMessage([type, newest.get(type), true]);
  };

  addEventListener('online', open);
  // @ts-ignore: a worker's own event.
  addEventListener('connect', ({ ports: [port] }) => { port.onmessage = e => ask(port, e.data); });
}
