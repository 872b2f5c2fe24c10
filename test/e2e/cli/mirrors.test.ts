import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type Origin, startOrigin } from '../../helpers/origin.ts';

const FILE = 'tiny-gemma-3n-q4_k_m.gguf';
const PINNED = `hf:org/tiny-GGUF@${'a'.repeat(40)}/${FILE}`;
const PATH = `/gguf/tiny-GGUF/${FILE}`;
const SECRET = 'hf_plantedSecretOfTheTest1';

let home: Home;
let content: Buffer;
let digest: string;
let mirror: Origin;

async function open(flip: readonly number[] = []): Promise<void> {
  content = await readFile(Q4);
  digest = digestOf(content);
  mirror = await startOrigin({ files: { [PATH]: content }, behave: () => ({ flip }) });
  home = makeHome();
  await mkdir(join(home.path, 'config'), { recursive: true });
  await configure({ 'hf:org/': `${mirror.url}/gguf/` });
}
const configure = (mirrors: object) => writeFile(join(home.path, 'config', 'config.json'), JSON.stringify({ mirrors }));
const install = (args: readonly string[] = []) =>
  home.json('install', ['--from', PINNED, '--digest', digest, '--runtime', 'embedded', '--accept-license', ...args], {
    env: { HOME: home.path, HF_ENDPOINT: 'http://127.0.0.1:1', HF_TOKEN: SECRET },
  });

beforeEach(() => open());
afterEach(async () => {
  home.remove();
  await mirror.close();
});

test('a mirror gives the bytes; the record keeps the origin and names the mirror, which gets no token', async () => {
  const planned = await install(['--dry-run']);
  const address = `${mirror.url}${PATH}`;
  expect(planned).toMatchObject({ code: 0, data: { plan: { bytesFrom: { at: 'mirror', name: address } } } });
  const done = await install(['--no-smoke']);
  expect(done).toMatchObject({ code: 0, data: { bytesMoved: content.length } });
  const { source } = (await home.json('show', [done.data?.name ?? ''])).data?.records[0] ?? {};
  expect(source).toMatchObject({ ref: PINNED, pinnedRef: PINNED, digest, servedBy: address });
  expect(mirror.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
});

test('a mirror with other bytes: exit 11, and nothing is installed', async () => {
  home.remove();
  await mirror.close();
  await open([300_000]);
  const refused = await install(['--no-smoke']);
  expect(refused).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
  expect(refused.error.message).toContain(mirror.url);
  expect((await home.json('list', [])).data?.records).toEqual([]);
});

test('a setting that cannot be used is refused with its place; doctor shows one that can', async () => {
  const shown = await home.json('doctor', []);
  expect(shown.data?.settings).toContainEqual(
    expect.objectContaining({ id: 'mirrors', value: `hf:org/ → ${mirror.url}/gguf/` }),
  );
  await configure({ 'hf:org/': 'https://user:secret@mirror.example/' });
  const refused = await install();
  expect(refused).toMatchObject({ code: 2, error: { code: 'bad-configuration' } });
  expect(JSON.stringify(refused)).not.toContain('user:secret');
});
