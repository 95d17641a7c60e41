// Chromium, the server under test, and what the stories have in common.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const workspace = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const executable = process.env.CHROMIUM ?? '/usr/bin/chromium';
// For what takes milliseconds, or six seconds of ICE, on a machine that does other things as well.
const PATIENCE = 30_000;

const children = new Set();
let browser;

// One browser for the tests of a file. No server outlives them: while one lives, so does the test runner.
export function withBrowser() {
  before(async () => {
    if (!existsSync(executable)) throw new Error(`no Chromium at ${executable}: set CHROMIUM`);
    browser = await chromium.launch({
      executablePath: executable,
      chromiumSandbox: false,
      handleSIGTERM: false,
      args: [
        '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update',
        // With only a loopback interface Chromium gathers nothing without these two.
        '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
      ],
    });
  });
  after(async () => {
    endServers();
    await browser?.close();
  });
  // A file that takes too long is ended by this signal, and `after` is not reached then.
  process.once('SIGTERM', () => { endServers(); process.exit(1); });
}

function endServers() {
  for (const child of children) child.kill('SIGKILL');
}

let built;

// The example with its test-only switches compiled in; built once.
function binary() {
  if (built) return built;
  const build = spawnSync('cargo', ['build', '--release', '--package', 'webrtc-server', '--example', 'browser',
    '--features', 'testing', '--message-format', 'json'], {
    cwd: workspace, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28,
  });
  if (build.status !== 0) throw new Error('the example does not build');
  const messages = build.stdout.trim().split('\n').map((line) => JSON.parse(line));
  built = messages.findLast(({ target, executable: path }) => target?.name === 'browser' && path).executable;
  return built;
}

// Runs the example to its end.
export function run(...args) {
  return spawnSync(binary(), args, { encoding: 'utf8', timeout: PATIENCE });
}

// Serves the page; resolves when it says where.
export async function serve(args = ['--until-eof'], stdin = 'pipe') {
  const child = spawn(binary(), ['--port', '0', ...args], { stdio: [stdin, 'pipe', 'inherit'] });
  children.add(child);
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  ended.then(() => children.delete(child));
  const line = once(createInterface({ input: child.stdout }), 'line');
  const early = ended.then((how) => { throw new Error(`the server ended with ${how}`); });
  const [said] = await Promise.race([line, early]);
  early.catch(() => {});
  const url = said.match(/http:\S+/)[0];
  return {
    url,
    stdin: child.stdin,
    ask: (method, path, body) => ask(new URL(path, url), method, body),
    state: async () => (await ask(new URL('/state', url), 'GET')).json,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    kill: (signal = 'SIGKILL') => { child.kill(signal); return ended; },
    // How it ended, if it does in time.
    ended: () => within(PATIENCE, 'the server ends', ended),
    stop() {
      child.stdin.end();
      return this.ended();
    },
  };
}

// One request on a connection of its own, so that none stays open.
async function ask(url, method, body) {
  const asked = request(url, { method, agent: false, signal: AbortSignal.timeout(PATIENCE) });
  asked.end(body);
  const [response] = await once(asked, 'response');
  const text = (await response.toArray()).join('');
  return { status: response.statusCode, text, get json() { return JSON.parse(text); } };
}

function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Polls a condition: the moment at which it holds is somebody else's, only its holding is ours.
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  let last;
  for (;;) {
    const value = await condition((seen) => { last = seen; });
    if (value) return value;
    if (Date.now() > deadline) {
      const seen = last === undefined ? '' : `; last: ${JSON.stringify(last)}`;
      throw new Error(`not within ${PATIENCE} ms: ${what}${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Opens the page of a server in a context of its own, with which its connections end.
export async function open(server) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.url);
  return page;
}

export const close = (page) => page.context().close();

// Connects the page once more, as a person does; as `connected`.
export async function connect(server, page, protocol, role = 'client') {
  const earlier = await page.evaluate(() => connections.length);
  await page.selectOption('#role', role);
  await page.click(`#${protocol}`);
  return connected(server, page, earlier);
}

// The parameters of the transport of a connection, when DTLS is up on both sides.
export async function connected(server, page, at) {
  await until('DTLS connected in the browser', async (seen) => {
    const [state, log] = await page.evaluate(
      (at) => [connections[at]?.dtls?.state, document.getElementById('log').textContent], at);
    seen([state, log]);
    return state === 'connected';
  });
  const { parameters } = await page.evaluate((at) => ({ parameters: connections[at].parameters }), at);
  await until('DTLS connected at the server', async () =>
    (await transport(server, parameters.id)).dtlsState === 'connected');
  return parameters;
}

// What the server says of a transport.
export async function transport(server, id) {
  const { transports } = await server.state();
  return transports.find((one) => one.id === id);
}

// Closes the server as a person does; its answer.
export async function closeServer(page) {
  await page.click('#close');
  return JSON.parse(await until('the answer to close', () => page.textContent('#log')));
}

// How each connection of the page finds out: the first change of its ICE or DTLS transport since the close.
export function news(page) {
  return until('every connection notices something', async () => {
    const first = await page.evaluate(() => connections.map(({ history }) =>
      history.find(({ what, closing }) => closing && (what === 'ice' || what === 'dtls'))));
    return first.every(Boolean) && first.map(({ what, state }) => `${what} ${state}`);
  });
}

// Fails unless all that a server had is closed: its descriptors, and whatever was bound to its ports.
export async function nothingIsLeft(server, { listenInfos }, idle) {
  await until('as many descriptors as before', async (seen) => {
    const { descriptors } = await server.state();
    seen({ idle, descriptors });
    return descriptors === idle;
  });
  for (const { protocol, ip, port } of listenInfos) await bind(protocol, ip, port);
}

async function bind(protocol, address, port) {
  if (protocol === 'tcp') {
    const listener = createServer().listen({ host: address, port });
    await once(listener, 'listening');
    listener.close();
  } else {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind({ address, port, exclusive: true });
    await once(socket, 'listening');
    socket.close();
  }
}

