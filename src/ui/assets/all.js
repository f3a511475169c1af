// Keeps the page of all cameras fresh while it is in sight.
// @ts-check
'use strict';
setInterval(() => { if (!document.hidden) renew('all'); }, 10_000);
