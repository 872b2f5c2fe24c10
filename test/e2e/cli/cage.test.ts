import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q2, within } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { withString } from '../../helpers/gguf-edit.ts';

const ENDLESS = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
const HUGE = '{% for a in range(1000000000) %}{% endfor %}';

let home: Home;
let server: FakeOllama;
beforeAll(async () => {
  home = makeHome();
  server = await fakeOllama('0.31.2', { models: join(home.path, 'server') });
});
afterAll(async () => {
  await server.close();
  home.remove();
});

async function fileWith(template: string): Promise<string> {
  const path = join(home.path, `${template === HUGE ? 'huge' : 'endless'}.gguf`);
  await writeFile(path, await withString(await readFile(Q2), 'tokenizer.chat_template', template));
  return path;
}

function install(path: string, ...more: string[]): string[] {
  return ['install', '--from', path, '--accept-license', '--name', 'hostile', ...more];
}

describe('a chat template of a file that never ends or fills the memory', () => {
  test.each([
    ['never ends', ENDLESS],
    ['fills the memory', HUGE],
  ])('row 50: %s: an install into a server is refused and leaves nothing', async (_, template) => {
    const { code, error } = await home.json(
      'install',
      install(await fileWith(template), '--host', server.host).slice(1),
    );
    expect([code, error.code]).toEqual([16, 'bad-template']);
    expect(error.message).toMatch(
      /chat template (ran for more than 2\.0 s|needed more than 128 MiB of memory) and was stopped/,
    );
    expect([...server.models.keys()]).toEqual([]);
    expect((await home.run(['gc', '--host', server.host])).stdout).toContain('There are no leftovers.');
  });

  test('row 50: an install into the embedded runtime is refused and leaves nothing', async () => {
    const args = install(await fileWith(ENDLESS), '--runtime', 'embedded').slice(1);
    const { code, error } = await home.json('install', args);
    expect([code, error.code]).toEqual([16, 'bad-template']);
    expect((await home.run(['list'])).stdout).toContain('has not installed any models');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('row 28: %s ends the install while it runs', async (signal) => {
    const { child, ended } = home.start(install(await fileWith(ENDLESS), '--host', server.host));
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (text: string) => {
        if (text.includes('Verify the prompt')) resolve();
      });
    });
    await sleep(300);
    child.kill(signal);
    const { code, stderr } = await within(10_000, ended);
    expect([code, stderr.includes(`stopped by ${signal}`)]).toEqual([signal === 'SIGINT' ? 130 : 143, true]);
    expect([...server.models.keys()]).toEqual([]);
  });
});

test('row 50: a pattern of a suite that backtracks without end is refused', async () => {
  const path = join(home.path, 'suite.json');
  const check = {
    id: 'json',
    level: 'loads',
    title: 'JSON',
    messages: [{ role: 'user', content: 'Write JSON.' }],
    judges: [{ kind: 'json' }],
    format: { type: 'object', properties: { a: { type: 'string', pattern: `^${'(.*)'.repeat(200)}!$` } } },
  };
  await writeFile(path, JSON.stringify({ schemaVersion: 1, id: 'slow', title: 'Slow', checks: [check] }));
  const args = install(Q2, '--host', server.host, '--suite', path).slice(1);
  const { code, error } = await home.json('install', args);
  expect([code, error.code]).toEqual([16, 'bad-suite']);
  expect(error.message).toContain('ran for more than 2.0 s and was stopped');
  expect([...server.models.keys()]).toEqual([]);
});
