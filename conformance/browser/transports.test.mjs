// Other ways to go: many at once, the peer first, one transport alone, after an ICE restart, in mid-handshake, not at all.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { close, closeServer, connect, connected, news, open, serve, transport, until, withBrowser } from './helper.mjs';

withBrowser();

// A server and the page of it; the server must end well.
async function scene(story) {
  const server = await serve();
  const page = await open(server);
  await story(server, page);
  await close(page);
  assert.equal(await server.stop(), 0);
}

const CONFIRMED = { type: 'confirmed' };
const told = (server, { id }) => transport(server, id);

describe('who goes when', { concurrency: 3 }, () => {
  test('CLS-01 twenty peers over UDP and TCP, in both DTLS roles, all hear the close of their server', () =>
    scene(async (server, page) => {
      const kinds = Array.from({ length: 20 }, (_, n) => [n % 2 ? 'udp' : 'tcp', n % 4 < 2 ? 'client' : 'server']);
      // One request at a time: the HTTP library lets one of several connections wait until the next one comes.
      await page.evaluate(async (kinds) => { for (const kind of kinds) await connect(...kind); }, kinds);
      const ids = [];
      for (const at of kinds.keys()) ids.push((await connected(server, page, at)).id);
      const { outcomes } = await closeServer(page);
      assert.deepEqual(await news(page), ids.map(() => 'dtls closed'));
      assert.deepEqual(outcomes, Object.fromEntries(ids.map((id) => [id, CONFIRMED])));
    }));

  test('DTL-11 what the browser sends arrives, and both sides name the same SRTP profile', () =>
    scene(async (server, page) => {
      const parameters = await connect(server, page, 'udp');
      await until('SCTP of the browser', async () => (await told(server, parameters)).messages > 0);
      const cipher = await page.evaluate(async () => {
        const stats = [...(await connections[0].pc.getStats()).values()];
        return stats.find(({ type }) => type === 'transport').srtpCipher;
      });
      const plain = (name) => name.toLowerCase().replaceAll('_', '').replace('srtp', '');
      assert.equal(plain(cipher), plain((await told(server, parameters)).srtpProfile));
    }));

  for (const over of ['udp', 'tcp']) {
    test(`CLS-13 over ${over} the browser goes first: closed once, and the close says nothing more`, () =>
      scene(async (server, page) => {
        const parameters = await connect(server, page, over);
        await page.click('text=hang up');
        await until('closed at the server', async () => (await told(server, parameters)).dtlsState === 'closed');
        const { outcomes } = await closeServer(page);
        assert.deepEqual(outcomes, { [parameters.id]: { type: 'notNeeded', reason: 'peerClosed' } });
        assert.deepEqual((await told(server, parameters)).dtlsStates, ['connecting', 'connected', 'closed']);
      }));

    test(`CLS-11 over ${over} a transport closes, its server stays, and the page connects to the same port again`, () =>
      scene(async (server, page) => {
        const first = await connect(server, page, over);
        const { outcome } = await page.evaluate(() => connections[0].closeTransport());
        assert.deepEqual(outcome, CONFIRMED);
        assert.deepEqual(await news(page), ['dtls closed']);
        const second = await connect(server, page, over);
        assert.equal(second.iceCandidates[0].port, first.iceCandidates[0].port);
        const { outcomes } = await closeServer(page);
        assert.deepEqual(await news(page), ['dtls closed', 'dtls closed']);
        assert.deepEqual(outcomes, { [second.id]: CONFIRMED });
      }));

    test(`STN-24 over ${over} ICE restarts, and the close is heard on the new path`, () =>
      scene(async (server, page) => {
        const before = await connect(server, page, over);
        const { iceSelectedTuple: former } = await told(server, before);
        await page.click('text=restart ICE');
        await until('the former ufrag is gone', async (seen) => {
          const fragments = (await server.state()).dump.localIceUsernameFragments;
          seen(fragments);
          return fragments.every((one) => one.localIceUsernameFragment !== before.iceParameters.usernameFragment);
        });
        await until('another path', async () =>
          (await told(server, before)).iceSelectedTuple.remotePort !== former.remotePort);
        const { outcomes } = await closeServer(page);
        assert.deepEqual(await news(page), ['dtls closed']);
        assert.deepEqual(outcomes, { [before.id]: CONFIRMED });
      }));

    test(`O2 control: over ${over} a server that is killed says nothing, and ICE finds out`, async () => {
      const server = await serve();
      const page = await open(server);
      await connect(server, page, over);
      await page.evaluate(() => { askedAt = performance.now(); });
      assert.equal(await server.kill(), 'SIGKILL');
      assert.match((await news(page))[0], /^ice (disconnected|failed)$/);
      assert.equal(await page.evaluate(() => connections[0].dtls.state), 'connected');
      await close(page);
    });
  }

  test('CLS-15 a close while both sides await the handshake says nothing', () =>
    scene(async (server, page) => {
      // Each side is told that the other begins.
      await page.route(/connect\?id=/, (route) => {
        const parameters = { ...route.request().postDataJSON(), role: 'client' };
        return route.continue({ postData: JSON.stringify(parameters) });
      });
      await page.evaluate(() => connect('udp', 'server'));
      const state = await until('a path', async (seen) => {
        const [only] = (await server.state()).transports;
        seen([only, await page.textContent('#log'), await page.evaluate(() => connections[0].history)]);
        return only.dtlsState === 'connecting' && only;
      });
      const { outcomes } = await closeServer(page);
      assert.deepEqual(outcomes, { [state.id]: { type: 'notNeeded', reason: 'handshaking' } });
      assert.match((await news(page))[0], /^ice (disconnected|failed)$/);
    }));
});
