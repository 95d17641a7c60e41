// The example is a program for a person: it says how it is used, and no bad request ends it.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { close, closeServer, connect as connectPage, news, nothingIsLeft, open, run, serve, withBrowser }
  from './helper.mjs';

withBrowser();

test('bad requests are answered, and the goodbye is said afterwards', async () => {
  const server = await serve();
  const page = await open(server);
  await connectPage(server, page, 'udp');
  const bad = [
    ['POST', '/close', Buffer.from([0xff])], ['POST', '/transport', '{'], ['POST', '/transport', ''],
    ['POST', '/connect?id=nobody', '{}'], ['POST', '/restart?id=nobody'], ['POST', '/close?id=nobody'],
    ['GET', '/nowhere'], ['DELETE', '/'],
  ];
  for (const [method, path, body] of bad) {
    const { status, json } = await server.ask(method, path, body);
    assert.equal(status, 400, path);
    assert.ok(json.error, path);
  }
  // An upload that is given up.
  const { hostname, port } = new URL(server.url);
  const upload = connect(port, hostname);
  upload.end('POST /transport HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{"protocol":');
  assert.match((await upload.toArray()).join(''), /^HTTP\/1.1 400 /);
  // Enter, as a person presses it.
  await page.evaluate(() => { askedAt = performance.now(); });
  server.stdin.write('\n');
  assert.deepEqual(await news(page), ['dtls closed']);
  assert.equal(await server.ended(), 0);
  await close(page);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`CLS-23 ${signal} says goodbye and ends it, as Enter does`, async () => {
    const server = await serve([], 'ignore');
    const page = await open(server);
    await connectPage(server, page, 'udp');
    await page.evaluate(() => { askedAt = performance.now(); });
    server.kill(signal);
    assert.deepEqual(await news(page), ['dtls closed']);
    assert.equal(await server.ended(), 0);
    await close(page);
  });
}

test('without a standard input it goes on', async () => {
  const server = await serve([], 'ignore');
  const idle = (await server.state()).descriptors;
  const page = await open(server);
  await connectPage(server, page, 'tcp');
  const before = await server.state();
  await closeServer(page);
  await close(page);
  await nothingIsLeft(server, before, idle);
  assert.equal(await server.kill(), 'SIGKILL');
});

test('it says how it is used', async () => {
  const server = await serve();
  const cases = [
    [['--help'], 0, /--port PORT/],
    [['--port', new URL(server.url).port], 1, /--port takes another/],
    [['--prot', '1'], 1, /--prot 1: no such option; --help tells/],
    [['--port'], 1, /--help tells/],
    [['--port', 'x'], 1, /--port x: invalid digit/],
    [['--mutant', 'K99'], 1, /K99 is no mutant/],
    [['--ip', '0.0.0.0'], 1, /needs --announced/],
  ];
  for (const [words, status, says] of cases) {
    const ended = run(...words);
    assert.equal(ended.status, status, words);
    assert.match(ended.stdout + ended.stderr, says);
  }
  assert.equal(await server.stop(), 0);
});
