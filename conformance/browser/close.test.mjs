// The final judge: does a real browser hear the goodbye? In the right order and, the same story, in wrong ones.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { close, closeServer, connect, news, nothingIsLeft, open, serve, transport, until, withBrowser }
  from './helper.mjs';
import { secondConnection } from './stun.mjs';

withBrowser();

const HEARD = { news: /^dtls closed$/, outcome: { type: 'confirmed' } };
const NOT_HEARD = { news: /^ice (disconnected|failed)$/ };

// mediasoup #1388: two TCP connections on one transport, one of them closed normally.
async function comeAndGo(server, parameters) {
  const bound = async () => (await server.state()).dump.connections.bound;
  const before = await bound();
  const second = await secondConnection(parameters);
  await until('two connections on the transport', async () => await bound() === before + 1);
  second.end();
  const [error] = await once(second, 'close');
  assert.equal(error, false);
  await until('one connection on the transport', async () => await bound() === before);
}

async function story({ over, role, mutant, ip, second, expected }) {
  const server = await serve(['--until-eof', ...mutant ? ['--mutant', mutant] : [], ...ip ? ['--ip', ip] : []]);
  const { descriptors } = await server.state();
  const page = await open(server);
  const parameters = await connect(server, page, over, role);
  const { iceSelectedTuple } = await transport(server, parameters.id);
  assert.equal(iceSelectedTuple.protocol, over);
  if (second) await comeAndGo(server, parameters);
  const before = await server.state();

  const { outcomes } = await closeServer(page);
  const [first] = await news(page);
  assert.match(first, expected.news);
  assert.deepEqual(outcomes, { [parameters.id]: expected.outcome });
  const heard = expected === HEARD;
  if (heard) await until('data channel closed', () => page.evaluate(() => connections[0].cells.channel.className === 'closed'));
  assert.equal(await page.evaluate(() => connections[0].dtls.state), heard ? 'closed' : 'connected');

  assert.ok(server.isAlive());
  await close(page);
  await nothingIsLeft(server, before, descriptors);
  assert.equal(await server.stop(), 0);
}

const STORIES = [
  { over: 'udp', role: 'client' },
  { over: 'udp', role: 'server' },
  { over: 'tcp', role: 'client' },
  { over: 'tcp', role: 'server' },
  { over: 'udp', role: 'client', ip: '::1' },
  { over: 'tcp', role: 'client', ip: '::1' },
  { over: 'tcp', role: 'client', second: true },
];

describe('in the right order', { concurrency: 2 }, () => {
  for (const how of STORIES) {
    test(`CLS-01 the browser hears it: ${JSON.stringify(how)}`, () => story({ ...how, expected: HEARD }));
  }
});

const RELEASED = { udp: { type: 'dropped', reason: 'carrierReleased' }, tcp: { type: 'dropped', reason: 'reset' } };
const WRONG = [
  ...STORIES.map((how) => ({ ...how, mutant: 'K01', outcome: RELEASED[how.over] })),
  { over: 'tcp', role: 'client', mutant: 'K02', outcome: RELEASED.tcp },
  { over: 'tcp', role: 'client', mutant: 'K30', outcome: { type: 'notNeeded', reason: 'noPath' } },
];

describe('in a wrong order', { concurrency: 5 }, () => {
  for (const { outcome, ...how } of WRONG) {
    test(`O2 control, the browser does not hear it: ${JSON.stringify(how)}`,
      () => story({ ...how, expected: { ...NOT_HEARD, outcome } }));
  }
});
