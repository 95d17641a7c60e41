// Starts Debian's Chromium and one server under test.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const workspace = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const executable = process.env.CHROMIUM ?? '/usr/bin/chromium';

export async function launch() {
  if (!existsSync(executable)) throw new Error(`no Chromium at ${executable}: set CHROMIUM`);
  const profile = mkdtempSync(join(tmpdir(), 'webrtc-server-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    headless: true,
    chromiumSandbox: false,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      // With only a loopback interface Chromium gathers nothing without these two.
      '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  });
  return {
    newPage: () => context.newPage(),
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
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

const children = new Set();

// Ends the servers of failed tests: while one lives, so does the test runner.
export function endServers() {
  for (const child of children) child.kill('SIGKILL');
}

// Serves the page; resolves when it says where.
export async function serve(args = []) {
  const child = spawn(binary(), ['--port', '0', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const lines = createInterface({ input: child.stdout });
  const [url] = await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve([line.trim().split(' ').at(-1)]));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return {
    url,
    // A server that does not answer fails this test, it does not hold up the ones after it.
    state: async () => (await fetch(new URL('/state', url), { signal: AbortSignal.timeout(20_000) })).json(),
    isAlive: () => child.exitCode === null && child.signalCode === null,
    stop: () => new Promise((resolve) => {
      child.once('exit', resolve);
      child.stdin.end();
    }),
  };
}

// Polls a condition: the moment at which it holds is somebody else's, only its holding is ours.
export async function until(what, condition, milliseconds = 20_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
