/** Files that no server should see: the built program refuses them before it sends a byte. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Home, Q4, ROOT } from '../../helpers/cli.ts';
import type { FakeOllama } from '../../helpers/fake-ollama.ts';
import { buildGguf, type GgufSpec, type MetadataSpec, modelSpec } from '../../helpers/gguf-builder.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';

const FAULTS = join(ROOT, 'test/fixtures/gguf/faults');
const MODEL = 'tiny-gemma-3n:q4_k_m';

let home: Home;
let ollama: FakeOllama;
beforeAll(async () => {
  const setup = await homeWithOllama();
  ({ home, ollama } = setup);
  return setup.remove;
});

/** What a server may be asked while a plan is made: questions, and nothing that carries bytes or names a model. */
function sent(): string[] {
  return ollama.requests.filter((line) => !line.startsWith('GET '));
}

let before = 0;
beforeEach(() => {
  before = sent().length;
});
afterEach(() => {
  expect(sent().slice(before)).toEqual([]);
  expect([...ollama.models.keys(), ...ollama.blobs.keys()]).toEqual([]);
});

function install(...args: string[]) {
  return home.json('install', [...args, '--host', ollama.host]);
}

function file(name: string, content: Buffer): string {
  const path = join(home.path, name);
  writeFileSync(path, content);
  return path;
}

async function nothingIsRecorded() {
  const { data } = await home.json('list', []);
  expect(data?.records).toEqual([]);
}

describe('row 36: crafted headers are refused, 0 bytes uploaded', () => {
  const names = readdirSync(FAULTS).filter((name) => name.endsWith('.gguf'));

  test('there are more of them than the thirteen that kill servers', () => {
    expect(names.length).toBeGreaterThanOrEqual(13);
  });

  test.each(names)('%s', async (name) => {
    const { code, ok, error } = await install('--from', join(FAULTS, name), '--name', 'evil');
    expect({ ok, name: error.code }).toEqual({ ok: false, name: expect.stringMatching(/^(bad-gguf|truncated-file)$/) });
    expect(code).toBe(error.code === 'bad-gguf' ? 16 : 11);
    expect(error.message).toContain(name);
    await nothingIsRecorded();
  });
});

describe('row 37: files that are not the model', () => {
  test('cut in its tensors, in its header, and by one byte', async () => {
    const whole = readFileSync(Q4);
    for (const length of [whole.length - 1, whole.length >> 1, 1000]) {
      const path = file('cut.gguf', whole);
      truncateSync(path, length);
      const { code, error } = await install(MODEL, '--from', path);
      expect(error).toMatchObject({ code: 'truncated-file', exitCode: 11 });
      expect(error.message).toContain(path);
      expect(code).toBe(11);
    }
  });

  test('one file of a split model whose other is missing', async () => {
    const split: MetadataSpec[] = [
      { key: 'split.no', type: 'u16', value: 0 },
      { key: 'split.count', type: 'u16', value: 2 },
      { key: 'split.tensors.count', type: 'i32', value: 12 },
    ];
    const spec = modelSpec('gemma3n');
    const path = file('m-00001-of-00002.gguf', buildGguf({ ...spec, metadata: [...spec.metadata, ...split] }));
    const { code, error } = await install('--from', path, '--name', 'evil');
    expect(error.code).toBe('source-not-found');
    expect(error.message).toMatch(/m-00002-of-00002\.gguf \(file 2 of 2\): this file of the split model is missing/);
    expect(code).toBe(3);
  });

  const typed = (type: string, architecture = 'gemma3n'): GgufSpec =>
    modelSpec(architecture, { 'general.type': { key: 'general.type', type: 'string', value: type } });
  test.each(['adapter', 'mmproj', 'projector', 'imatrix', 'vocab', 'controlvector'])(
    'general.type %s, with and without a model named',
    async (type) => {
      const path = file('part.gguf', buildGguf(typed(type)));
      for (const args of [[MODEL], ['--name', 'evil']]) {
        const { code, error } = await install(...args, '--from', path);
        expect(error).toMatchObject({ code: 'wrong-architecture', exitCode: 16 });
        expect(error.message).toMatch(/does not contain a language model/);
        expect(code).toBe(16);
      }
    },
  );

  test('another architecture than the model has, and one that nobody knows', async () => {
    const named = await install('gemma-3-1b:q4_k_m', '--from', Q4);
    expect(named.error).toMatchObject({ code: 'wrong-architecture', exitCode: 16 });
    // A projector is none at all, and says so.
    for (const [architecture, message] of [
      ['gemma9', /architecture gemma9/],
      ['clip', /does not contain a language model/],
    ] as const) {
      const path = file(`${architecture}.gguf`, buildGguf(modelSpec(architecture)));
      const unnamed = await install('--from', path, '--name', 'evil');
      expect(unnamed.error).toMatchObject({ code: 'wrong-architecture', exitCode: 16 });
      expect(unnamed.error.message).toMatch(message);
    }
  });

  test('another model of the same architecture', async () => {
    const { code, error } = await install('gemma-3n-e4b:q4_k_m', '--from', Q4);
    expect(error.message).toMatch(/is a different gemma3n model than gemma-3n-e4b/);
    expect(code).toBe(16);
  });

  test('another quant than was asked for', async () => {
    const { code, error } = await install('tiny-gemma-3n:q2_k', '--from', Q4);
    expect(error.message).toMatch(/has the quant q4_k_m, not q2_k/);
    expect(code).toBe(2);
  });
});

describe('row 39: names that no parser should accept', () => {
  test.each([
    '../x',
    'a/b/c/d/e',
    'x'.repeat(300),
    'a b',
    'x:../y',
    'x\u0000y',
    '.hidden',
    'sha256:../x',
    'x:',
    '',
    'ü:latest',
    'a\nb',
  ])('--name %j', async (name) => {
    // A process cannot be given a NUL at all.
    const given = name.replace('\u0000', '%00');
    const { code, error } = await install(MODEL, '--from', Q4, `--name=${given}`);
    expect([error.code, code]).toEqual([expect.stringMatching(/^bad-(name|usage)$/), 2]);
    await nothingIsRecorded();
  });

  test('--name -rf', async () => {
    const { code, error } = await install(MODEL, '--from', Q4, '--name', '-rf');
    expect([error.code, code]).toEqual([expect.stringMatching(/^bad-(name|usage)$/), 2]);
  });

  test.each(['sha256-', `sha256:${'g'.repeat(64)}`, '../x', `sha512:${'a'.repeat(128)}`, 'a'.repeat(63), ''])(
    '--digest %j',
    async (digest) => {
      const { code, error } = await install(MODEL, '--from', Q4, `--digest=${digest}`);
      expect([error.code, code]).toEqual(['bad-usage', 2]);
      expect(error.message).toMatch(/is not a SHA-256 digest/);
    },
  );
});
