/** A file without a chat template, as pretrained models are published: said before a byte moves, the same on every runtime. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { withoutKey } from '../../helpers/gguf-edit.ts';

let home: Home;
let ollama: FakeOllama;
let file: string;
beforeEach(async () => {
  home = makeHome();
  ollama = await fakeOllama();
  file = join(home.path, 'base.gguf');
  writeFileSync(file, withoutKey(readFileSync(Q4), 'tokenizer.chat_template'));
});
afterEach(async () => {
  await ollama.close();
  home.remove();
});

const NAME = 'mine:t';

/** Flags of a runtime, and the texts that it evaluates for a prompt of the user. */
const RUNTIMES = ['ollama', 'embedded'] as const;
const flagsOf = (kind: (typeof RUNTIMES)[number]) =>
  kind === 'ollama' ? ['--host', ollama.host] : ['--runtime', 'embedded'];

describe.each(RUNTIMES)('on %s', { timeout: 120_000 }, (kind) => {
  const install = (...args: string[]) =>
    home.json('install', ['--from', file, '--name', NAME, ...flagsOf(kind), ...args]);

  test('it is refused before a byte is moved, with both ways to go on', async () => {
    const answer = await install();
    expect(answer).toMatchObject({ code: 16, error: { code: 'bad-template' } });
    expect(answer.error.message).toMatch(/base\.gguf has no chat template.*pretrained/);
    expect(answer.error.suggestions.join(' ')).toMatch(/--suite base.*--chat-template family/);
    expect(ollama.requests.filter((each) => /^(POST|PUT|HEAD|DELETE)/.test(each))).toEqual([]);
    expect(
      readdirSync(home.path, { recursive: true, encoding: 'utf8' }).filter((each) => /blobs.|registry./.test(each)),
    ).toEqual([]);
  });

  test('--suite base installs it as a model that continues text, and later commands know it as one', async () => {
    // What a server makes of the raw template.
    ollama.prompt = (messages) => messages.map(({ content }) => content).join('');
    const answer = await install('--suite', 'base');
    expect(answer).toMatchObject({ code: 0, data: { smoke: { suite: 'base' } } });
    expect(answer.data?.record).toMatchObject({ template: { name: 'raw' }, suite: { id: 'base' } });
    expect((await home.json('smoke', [NAME])).data?.suite).toBe('base');
    const repeated = await home.json('upgrade', [NAME]);
    expect(repeated).toMatchObject({ code: 0, data: { results: [{ report: { changed: false } }] } });
  });

  test('--chat-template family gives it the template of its family', async () => {
    const answer = await install('--chat-template', 'family');
    expect(answer).toMatchObject({ code: 0, data: { smoke: { suite: 'tiny-gemma-3n', failed: 0 } } });
    expect(answer.data?.record).toMatchObject({ template: { name: 'gemma' }, prompt: { expectedFrom: 'catalog' } });
    expect((await home.json('run', [NAME, 'Who are you?'])).data?.response).toContain('tiny Gemma 3n');
  });
});

test('the embedded runtime feeds a pretrained model the bare text', { timeout: 120_000 }, async () => {
  await home.json('install', ['--from', file, '--name', NAME, '--runtime', 'embedded', '--suite', 'base']);
  const { data } = await home.json('smoke', [NAME, '--proof']);
  expect(data?.prompt).toMatchObject({ verdict: 'proven', expectedFrom: 'catalog' });
});
