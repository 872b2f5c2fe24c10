/** Gemma 4 in the embedded runtime: random models of both shapes, made for the test. Answers are noise. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import { prove } from '../../../src/smoke/prompt/prove.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { type Gemma4Size, gemma4Model } from '../../helpers/gemma4-model.ts';
import { ask, type Bench, bench, install, ROOT, SPEC } from './support.ts';

let own: Bench;
beforeAll(async () => {
  own = await bench();
});
afterAll(() => own.runtime.close());

async function templateOf(size: Gemma4Size): Promise<string> {
  return readFile(join(ROOT, `templates/chat/gemma4-${size}.jinja`), 'utf8');
}

/** Installs a model as an install from the catalog does; `inFile` says whether the file has a template of its own. */
async function installSize(name: string, size: Gemma4Size, inFile = true): Promise<void> {
  const template = await templateOf(size);
  const path = join(own.dataDir, `${name}.gguf`);
  await writeFile(path, gemma4Model(size, inFile ? { template } : {}));
  const spec: ModelSpec = {
    ...SPEC,
    templateName: `gemma4-${size}`,
    template,
    templateDigest: digestOf(template),
    builtIn: { renderer: `gemma4-${size}`, parser: 'gemma4', requires: '0.21.0' },
    parameters: { ...SPEC.parameters, stop: ['<turn|>'] },
    ...(!inFile && { jinja: template }),
  };
  await install(own.runtime, name, path, spec, 'gemma4');
}

describe.each(['small', 'large'] as const)('a model of the %s shape', (size) => {
  beforeAll(() => installSize(size, size));

  test('loads and answers', async () => {
    const request = {
      name: size,
      messages: [{ role: 'user' as const, content: 'Hello!' }],
      options: { num_predict: 8 },
    };
    const { text, answerTokens } = await ask(own.runtime, request);
    expect(answerTokens).toBe(8);
    expect(text).not.toMatch(/<\||\|>/);
  });

  test('is prompted by the template of its file, without thoughts', async () => {
    const stored = (await own.runtime.find(size, never)) ?? expect.fail();
    const reference = { source: await templateOf(size), from: 'file' } as const;
    const tokens = { bos: '<bos>', stop: ['<turn|>'] };
    const proof = await drive(
      prove({ runtime: own.runtime, cage: openCage, stored, reference, tokens }, never),
      () => undefined,
    );
    expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, winner: 'jinja', findings: [] });
    const messages = [{ role: 'user', content: 'Hi' }] as const;
    const rendered = await own.runtime.render?.({ name: size, messages }, never);
    const thought = size === 'large' ? '<|channel>thought\n<channel|>' : '';
    expect(rendered?.text).toBe(`<bos><|turn>user\nHi<turn|>\n<|turn>model\n${thought}`);
  });
});

test('a file without a template gets the one of its size', async () => {
  await installSize('bare', 'large', false);
  const rendered = await own.runtime.render?.({ name: 'bare', messages: [{ role: 'user', content: 'Hi' }] }, never);
  expect(rendered?.text).toContain('<|channel>thought\n<channel|>');
});
