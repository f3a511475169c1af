// Copies secrets, and ends all other sessions at once. The page works without this file.
// @ts-check
'use strict';
{
  const ready = () => {
    for (const made of document.querySelectorAll('.made')) {
      const here = new URL('.', location.href).href, { root } = made.dataset;
      const host = new URL(root).host;
      for (const field of made.querySelectorAll('input, textarea')) {
        field.value = field.defaultValue.replace(root, here).replace(`"${host}"`, `"${location.host}"`);
      }
    }
    for (const button of document.querySelectorAll('#main .js')) button.classList.remove('js');
  };
  on(document, 'swap', ready);
  ready();
  on(document, 'click', async ({ target: button }) => {
    if (button.id === 'end-others') {
      for (const form of el('sessions').querySelectorAll('.rows form')) await submit(form);
    } else if (button.matches('.made button')) {
      button.parentElement.querySelector('input, textarea').select();
      // The clipboard of scripts is there only over HTTPS.
      button.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C';
    }
  });
}
