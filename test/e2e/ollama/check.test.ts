/** `check` on a real Ollama: the right answer for its version, the same when the version is hidden, nothing left behind. */
import { existsSync, readdirSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkServer, isSupported } from '../../../src/compat/check.ts';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';

const MODEL = 'gemma-3n-e4b:q5_k_m';
const skipped = whyNoOllama();

/** Set up before the tests are collected, since what they expect depends on the server's version. */
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const version = server === undefined ? '' : await versionOf(server);
const supported = isSupported(checkServer(version, { architecture: 'gemma3n', quant: 'q5_k_m' }));
let home: Home;

beforeAll(() => {
  home = makeHome();
});
afterAll(async () => {
  await server?.stop();
  home.remove();
}, 60_000);

async function versionOf({ host }: OllamaServer): Promise<string> {
  const { version: found } = (await (await fetch(`http://${host}/api/version`)).json()) as { version: string };
  return found;
}

/** Everything that a request could leave behind: the list, and every file of the models folder. */
async function stateOf({ host, models }: OllamaServer): Promise<{ tags: string; files: string[] }> {
  const tags = await (await fetch(`http://${host}/api/tags`)).text();
  const there = models !== undefined && existsSync(models);
  return { tags, files: there ? readdirSync(models, { recursive: true }).map(String).sort() : [] };
}

/** The real server, calling itself something else. */
async function hidingBehind(word: string, host: string): Promise<Server> {
  const target = new URL(`http://${host}`);
  const proxy = createServer((asked, answer) => {
    if (asked.url === '/api/version') {
      answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ version: word }));
      return;
    }
    const { method, url = '/', headers } = asked;
    const passed = request(new URL(url, target), { method, headers: { ...headers, host } }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
}

describe.skipIf(server === undefined)(
  `check on a real Ollama${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const real = server as OllamaServer;

    /** Runs a check and holds the server's state before against that after. */
    async function check(host: string, ...args: string[]) {
      const before = await stateOf(real);
      const answer = await home.json('check', [...args, '--host', host]);
      expect(await stateOf(real)).toEqual(before);
      return answer;
    }

    test('gives the answer for its version', async () => {
      const answer = await check(real.host, MODEL);
      expect(answer).toMatchObject({ code: supported ? 0 : 4, stderr: '' });
      expect(answer.data).toMatchObject({ server: { version }, supported, installed: [] });
      const blocked = answer.data?.verdicts.filter(({ ok, blocking }) => blocking && !ok) ?? [];
      for (const { since, remedy } of blocked)
        expect([since, remedy]).toEqual(['0.9.3', expect.stringContaining('0.9.3')]);
      expect(blocked.length > 0).toBe(!supported);
    });

    test.each(['0.0.0', '0.99.0', 'a rubbish word'])('gives the same answer when it calls itself %s', async (word) => {
      const proxy = await hidingBehind(word, real.host);
      try {
        const answer = await check(`127.0.0.1:${(proxy.address() as AddressInfo).port}`, MODEL);
        expect(answer).toMatchObject({ code: supported ? 0 : 4, data: { server: { version: word }, supported } });
        expect(answer.data?.verdicts.map(({ id }) => id)).toEqual(
          expect.arrayContaining(['probe.method', 'probe.create']),
        );
      } finally {
        proxy.closeAllConnections();
        proxy.close();
      }
    });

    test('finds what it has installed itself, and what the list then tells of the server', async () => {
      const name = 'tiny-gemma-3n:q4_k_m';
      const install = ['tiny-gemma-3n:q4_k_m', '--from', Q4, '--runtime', 'ollama', '--host', real.host, '--no-smoke'];
      const installed = await home.json('install', install);
      // A server without the architecture is refused; it has nothing to find.
      expect(installed.code).toBe(supported ? 0 : 13);
      const proxy = await hidingBehind('0.0.0', real.host);
      try {
        expect((await check(real.host, name)).data?.installed).toEqual(supported ? [name] : []);
        const { data } = await check(`127.0.0.1:${(proxy.address() as AddressInfo).port}`, name);
        expect(data?.verdicts.some(({ id }) => id === 'probe.tags')).toBe(supported);
        expect(data?.supported).toBe(supported);
      } finally {
        proxy.closeAllConnections();
        proxy.close();
        if (supported) await home.json('remove', [name, '--host', real.host]);
      }
    });
  },
);
