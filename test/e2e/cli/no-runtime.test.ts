/** A host that has neither Ollama nor an embedded engine: what most people have at their first command. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endOf, hasDefaultServer, MODELS, ROOT } from '../../helpers/cli.ts';

/** Without a named host the default one is tried, so nothing may listen there. */
const isTaken = await hasDefaultServer();

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gemma-provision-bare-'));
  for (const part of ['bin', 'dist', 'package.json', 'oclif.manifest.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  for (const part of ['catalog', 'templates', 'models']) symlinkSync(join(ROOT, part), join(folder, part));
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name === 'node-llama-cpp' || name.startsWith('.')) continue;
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH = '' } = process.env;
  return endOf(
    spawn(process.execPath, [join(folder, 'bin/run.js'), ...args], {
      env: { PATH, HOME: folder, GEMMA_PROVISION_HOME: join(folder, 'home'), ...env },
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

describe.skipIf(isTaken)('without Ollama and without an engine', () => {
  test('recommend answers for the newest Ollama and says so', async () => {
    const { code, stdout } = await run(['recommend', '--what-if', 'ram=32GiB', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      data: { choice: { quant: expect.any(String) }, server: { endpoint: 'assumed' } },
      warnings: expect.arrayContaining([
        expect.stringMatching(/^No Ollama server answers at .*node-llama-cpp.* is for Ollama \d+\.\d+\.\d+/),
      ]),
    });
  });

  test('install says what is missing, and one remedy for each', async () => {
    const { code, stdout } = await run(['install', '--from', MODELS, '--json']);
    expect(code).toBe(13);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'runtime-missing',
      message: expect.stringMatching(/^No Ollama server answers at http:\/\/127\.0\.0\.1:11434: .*node-llama-cpp/),
      suggestions: [expect.stringMatching(/^Start Ollama/), expect.stringMatching(/^Install the engine/)],
    });
  });

  test.each([['remove'], ['rollback'], ['repair']])('%s of a name in no record needs no engine', async (command) => {
    const { code, stdout } = await run([command, 'nothing', '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'record-not-found' });
  });
});

test.each([
  ['a variable', { OLLAMA_HOST: '127.0.0.1:1' }, []],
  ['a flag', {}, ['--host', '127.0.0.1:1']],
] as const)('a host named by %s that does not answer is an error, never another runtime', async (_, env, flags) => {
  const { code, stdout } = await run(['recommend', ...flags, '--json'], env);
  expect(code).toBe(13);
  expect(JSON.parse(stdout).error).toMatchObject({ code: 'runtime-unreachable' });
});

test.each(['127.0.0.1:99999', ':0', 'server:http'])('the host %s has a port that cannot be', async (host) => {
  const { code, stdout } = await run(['recommend', '--host', host, '--json']);
  expect(code).toBe(2);
  expect(JSON.parse(stdout).error.message).toContain('is not a number from 1 to 65535');
});
