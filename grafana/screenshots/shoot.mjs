// Bundles the page, serves it beside the dashboards and a way to Prometheus, and takes a picture of each dashboard.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';

const { values: options, positionals: dashboards } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: 'string', default: 'http://127.0.0.1:9090' },
    to: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
    minutes: { type: 'string', default: '15' },
    scrape: { type: 'string', default: '5' },
    out: { type: 'string', default: '.' },
    width: { type: 'string', default: '1600' },
    height: { type: 'string', default: '0' },
    browser: { type: 'string', default: '/usr/bin/chromium' },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { outputFiles } = await build({
  entryPoints: [here('page/main.jsx')],
  bundle: true,
  write: false,
  outdir: 'bundle',
  format: 'iife',
  jsx: 'automatic',
  loader: { '.woff': 'dataurl', '.woff2': 'dataurl', '.svg': 'dataurl', '.ttf': 'empty' },
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'window' },
  logLevel: 'error',
});
const bundle = (end) => outputFiles.find(({ path }) => path.endsWith(end)).contents;
const html = '<!doctype html><link rel="stylesheet" href="/main.css"><body style="margin: 0"><div id="root"></div><script src="/main.js"></script>';

async function page(path) {
  if (path.startsWith('/api/')) {
    return ['application/json', await (await fetch(options.prometheus + path)).text()];
  }
  const dashboard = /^\/dashboards\/([a-z-]+)\.json$/.exec(path);
  if (dashboard) {
    return ['application/json', await readFile(here(`../dashboards/${dashboard[1]}.json`))];
  }
  const known = { '/main.js': ['text/javascript', bundle('main.js')], '/main.css': ['text/css', bundle('main.css')] };
  return known[path] ?? (path.startsWith('/?') ? ['text/html', html] : undefined);
}

const server = createServer(async ({ url }, response) => {
  const [type, body] = (await page(url).catch((error) => ['text/plain', String(error)])) ?? [];
  response.writeHead(type ? 200 : 404, { 'content-type': `${type}; charset=utf-8` }).end(body);
});
// A connection that the server thinks idle must not end while the browser is about to use it.
server.keepAliveTimeout = 0;
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await puppeteer.launch({ executablePath: options.browser, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const to = Math.floor(Number(options.to) / Number(options.scrape)) * Number(options.scrape);
  for (const dashboard of dashboards) {
    const tab = await browser.newPage();
    const width = Number(options.width);
    await tab.setViewport({ width, height: 1000 });
    const query = new URLSearchParams({ dashboard, to, minutes: options.minutes, scrape: options.scrape });
    await tab.goto(`http://127.0.0.1:${server.address().port}/?${query}`);
    await tab.waitForFunction('document.body.dataset.drawn', { timeout: 60_000 });
    const drawn = await tab.evaluate('document.body.dataset.drawn');
    if (drawn !== 'yes') {
      throw new Error(drawn);
    }
    const height = Number(options.height) || (await tab.evaluate('document.documentElement.scrollHeight'));
    const path = `${options.out}/dashboard-${dashboard}.png`;
    await tab.screenshot({ path, clip: { x: 0, y: 0, width, height } });
    console.log(path);
  }
} finally {
  await browser.close();
  server.close();
}
