// Brings files in: chosen, or dropped anywhere on the page, one after the other.
// @ts-check
'use strict';
{
  const list = el('brought'), field = el('files');
  const queue = [];
  let isBusy = false;
  el('drop').style.visibility = 'visible';

  const bring = file => new Promise((done, fail) => {
    // Only this kind of request tells how far a file has come.
    const request = new XMLHttpRequest();
    // For files that tell no time of their own; it is not sure.
    const modified = new Date(file.lastModified || Date.now()).toISOString();
    request.open('POST', `api/v1/media?${new URLSearchParams({ name: file.name, modified })}`);
    on(request.upload, 'progress', e => { if (e.total) file.told(`${Math.floor(e.loaded / e.total * 100)} %`); });
    on(request, 'load', () => {
      if (request.status < 300) done(request.response);
      else fail(new Error(wordsOf(request.status, request.response)));
    });
    on(request, 'error', () => fail(new Error('The connection broke.')));
    request.responseType = 'json';
    request.setRequestHeader('X-Page', '1');
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.send(file);
  });

  const work = async () => {
    if (isBusy) return;
    isBusy = true;
    for (let file; (file = queue.shift());) {
      try {
        const item = await bring(file);
        file.told('brought in as ');
        file.line.lastElementChild.append(Object.assign(make('a', '', item.name), { href: `player?id=${item.id}` }));
      } catch (e) {
        file.told(e.message);
        file.line.lastElementChild.className = 'act bad';
      }
    }
    isBusy = false;
  };
  const take = files => {
    for (const file of files) {
      const line = make('li', '', ''), name = make('div', '', file.name), told = make('div', 'act', 'waiting');
      told.role = 'status';
      line.append(name, told);
      list.append(line);
      file.line = line;
      file.told = text => { told.textContent = text; };
      queue.push(file);
    }
    work();
  };
  on(el('upload'), 'submit', e => { e.preventDefault(); take([...field.files]); field.value = ''; });
  on(document, 'dragover', e => {
    if (![...e.dataTransfer.types].includes('Files')) return;
    e.preventDefault();
    el('import').classList.add('over-it');
  });
  on(document, 'dragleave', e => { if (!e.relatedTarget) el('import').classList.remove('over-it'); });
  on(document, 'drop', e => {
    if (!e.dataTransfer.files.length) return;
    e.preventDefault();
    el('import').classList.remove('over-it');
    take([...e.dataTransfer.files]);
    el('import').scrollIntoView({ block: 'nearest' });
  });
  addEventListener('beforeunload', e => { if (isBusy) e.preventDefault(); });
}
