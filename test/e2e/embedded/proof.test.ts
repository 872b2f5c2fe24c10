/** The effective prompt of the embedded runtime, with real inference. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drive } from '../../../src/core/progress.ts';
import { prove } from '../../../src/smoke/prompt/prove.ts';
import type { ProveRequest } from '../../../src/smoke/prompt/request.ts';
import type { PromptProof } from '../../../src/smoke/prompt/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { withBool, withString } from '../../helpers/gguf-edit.ts';
import { ask, type Bench, bench, install, MODEL, ROOT, SPEC } from './support.ts';

let own: Bench;
let jinja: string;
beforeAll(async () => {
  own = await bench();
  jinja = await readFile(join(ROOT, 'test/fixtures/templates/tiny-gemma-3n.jinja'), 'utf8');
});
afterAll(() => own.runtime.close());

async function proofOf(name: string, request: Partial<ProveRequest> = {}): Promise<PromptProof> {
  const { runtime } = own;
  const stored = await runtime.find(name, never);
  if (stored === undefined) throw new Error(`no ${name}`);
  const reference = { source: jinja, from: 'file' } as const;
  const tokens = { bos: '<bos>', stop: ['<end_of_turn>'] };
  return drive(prove({ runtime, cage: openCage, stored, reference, tokens, ...request }, never), () => undefined);
}

async function installEdited(name: string, edit: (model: Buffer) => Buffer | Promise<Buffer>): Promise<void> {
  const path = join(own.dataDir, `${name}.gguf`);
  await writeFile(path, await edit(await readFile(MODEL)));
  await install(own.runtime, name, path);
}

test('is proven, with one BOS, one request a shape, and no token', async () => {
  await install(own.runtime, 'tiny');
  expect(await proofOf('tiny', { sentTemplate: SPEC.template })).toMatchObject({
    verdict: 'proven',
    bosCount: 1,
    stop: ['<end_of_turn>'],
    winner: 'jinja',
    context: { wanted: 512, inForce: 512 },
    findings: [],
    requests: 5,
    generatedTokens: 0,
  });
});

test('counts as many tokens as it evaluates', async () => {
  const { promptTokens } = await ask(own.runtime, 'What is the capital of France?');
  const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
  const rendered = await own.runtime.render?.({ name: 'tiny', messages }, never);
  expect(rendered?.text).toMatch(/^<bos><start_of_turn>user\n/);
  expect(await own.runtime.countRaw?.('tiny', rendered?.text ?? '', never)).toBe(promptTokens);
  expect(await own.runtime.countRaw?.('tiny', '<end_of_turn>', never)).toBe(2);
});

test('tells what is in memory, and frees it', async () => {
  expect(await own.runtime.loaded?.('tiny', never)).toEqual({ contextLength: 512 });
  await own.runtime.unload?.('tiny', never);
  expect(await own.runtime.loaded?.('tiny', never)).toBeUndefined();
  await own.runtime.unload?.('tiny', never);
  expect((await ask(own.runtime, 'What is 2+2?')).loadMs).toBeGreaterThan(0);
});

test('a model that is not there', async () => {
  const call = { name: 'nobody', messages: [{ role: 'user', content: 'hi' }] } as const;
  await expect(own.runtime.render?.(call, never)).rejects.toMatchObject({ code: 'model-not-found' });
  expect(await own.runtime.loaded?.('nobody', never)).toBeUndefined();
  await own.runtime.unload?.('nobody', never);
});

test('defects of a file have names here too', async () => {
  const { chat_template, add_bos } = {
    chat_template: 'tokenizer.chat_template',
    add_bos: 'tokenizer.ggml.add_bos_token',
  };
  await installEdited('roles', (model) =>
    withString(model, chat_template, jinja.replaceAll('>model\\n', '>assistant\\n')),
  );
  expect((await proofOf('roles')).findings.map(({ id }) => id)).toEqual(['wrong-role']);
  await installEdited('bare', async (model) =>
    withBool(await withString(model, chat_template, jinja.replace('{{- bos_token -}}', '')), add_bos, false),
  );
  expect((await proofOf('bare')).findings.map(({ id }) => id)).toEqual(['missing-bos']);
  await install(own.runtime, 'endless', MODEL, {
    ...SPEC,
    parameters: { ...SPEC.parameters, stop: [], num_ctx: 9000 },
  });
  expect((await proofOf('endless')).findings.map(({ id }) => id)).toEqual(['missing-stop', 'context-shorter']);
});

test('an answer follows a JSON Schema', async () => {
  const format = {
    type: 'object',
    properties: { city: { type: 'string', maxLength: 8 }, big: { type: 'boolean' } },
    required: ['city', 'big'],
    additionalProperties: false,
  };
  const question = [{ role: 'user' as const, content: 'What is the capital of France?' }];
  const { text, endedBy } = await ask(own.runtime, { name: 'tiny', messages: question, format });
  expect(endedBy).toBe('stop');
  expect(JSON.parse(text)).toEqual({ city: expect.any(String), big: expect.any(Boolean) });
  // The next answer is free again.
  expect((await ask(own.runtime, 'What is the capital of France?')).text).toBe('The capital of France is Paris.');
});

test('what it cannot hold or read is refused before anything is loaded', async () => {
  const fresh = await bench();
  await install(fresh.runtime, 'tiny');
  const question = { role: 'user' as const, content: 'Hello' };
  const pattern = { name: 'tiny', messages: [question], format: { type: 'string', pattern: 'a' } };
  await expect(ask(fresh.runtime, pattern)).rejects.toMatchObject({ code: 'runtime-refused' });
  const picture = { name: 'tiny', messages: [{ ...question, images: ['AAAA'] }] };
  await expect(ask(fresh.runtime, picture)).rejects.toMatchObject({
    code: 'runtime-refused',
    message: expect.stringContaining('does not accept pictures'),
  });
  expect(fresh.workers).toEqual([]);
  await fresh.runtime.close();
});
