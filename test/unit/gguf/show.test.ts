import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import { factsFromShow } from '../../../src/gguf/show.ts';
import { memorySource } from '../../helpers/gguf-builder.ts';
import { loadTranscript, RECORDED } from '../../helpers/transcripts.ts';

function reply(version: (typeof RECORDED)[number], id: string): Record<string, unknown> {
  return JSON.parse(loadTranscript(version, 'http://x').exchange(id).response.body);
}

/** The file whose show was recorded has the same shapes as this one; its types are those of Q8_0. */
const TINY = new URL('../../../models/tiny-gemma-3n/', import.meta.url);

const WITH_TENSORS = RECORDED.filter((version) => version !== '0.5.4' && version !== '0.5.13');

describe('the recorded answer of a real server', () => {
  test.each(WITH_TENSORS)('%s tells what the file tells', async (version) => {
    const shown = factsFromShow(reply(version, 'show.verbose'));
    expect(shown).toMatchObject({
      architecture: 'gemma3n',
      declaredQuant: 'q8_0',
      tokenizer: {
        model: 'llama',
        pre: 'default',
        tokenCount: 576,
        bos: '<bos>',
        eos: '<eos>',
        bosId: 2,
        addBos: true,
      },
      hyperparameters: { blockCount: 5, slidingWindow: 512, slidingPattern: 5, sharedKvLayers: 0, vocabularySize: 576 },
      assumed: [],
      warnings: [],
    });
    expect(shown.tensors).toHaveLength(127);
    expect(shown.missing).toEqual([
      'version',
      'alignment',
      'dataOffset',
      'requiredBytes',
      'general.name',
      'tokenizer.chat_template',
    ]);
    expect(shown.chatTemplate).toBeUndefined();
  });

  test('counts the same bytes as the file itself', async () => {
    const path = new URL('tiny-gemma-3n-q4_k_m.gguf', TINY);
    const content = readFileSync(path);
    const file = await readGgufHeader(memorySource(content), { fileBytes: content.length });
    const shown = factsFromShow({
      model_info: { ...(reply('0.24.0', 'show.verbose').model_info as object), 'general.file_type': 15 },
      tensors: file.tensors.map(({ name, type, shape }) => ({ name, type, shape })),
    });
    expect(shown.weights).toEqual(file.weights);
    expect(shown.typeBytes).toEqual(file.typeBytes);
    expect(shown.hyperparameters).toEqual(file.hyperparameters);
  });

  test.each(['0.5.4', '0.5.13'] as const)('%s tells no tensors, so no weights either', (version) => {
    const shown = factsFromShow(reply(version, 'show.verbose'));
    expect(shown.weights).toBeUndefined();
    expect(shown.tensors).toEqual([]);
    expect(shown.missing).toEqual(expect.arrayContaining(['tensors', 'weights']));
    expect(shown.hyperparameters).toMatchObject({ blockCount: 5, slidingPattern: 5 });
  });

  test.each(WITH_TENSORS)('%s withholds lists where nobody asked for verbose', (version) => {
    const shown = factsFromShow(reply(version, 'show.bare'));
    expect(shown.missing).toEqual(
      expect.arrayContaining(['gemma3n.attention.sliding_window_pattern', 'tokenizer.ggml.tokens']),
    );
    expect(shown.tokenizer.tokenCount).toBeUndefined();
    expect(shown.hyperparameters?.slidingPattern).toBe(5);
    expect(shown.assumed).toEqual([
      {
        key: 'gemma3n.attention.sliding_window_pattern',
        value: 5,
        basis: 'pattern of gemma3n in llama.cpp',
      },
    ]);
  });
});

describe('an answer that is odd', () => {
  const good = reply('0.24.0', 'show.verbose');
  const info = good.model_info as Record<string, unknown>;
  const changed = (changes: Record<string, unknown>): unknown => ({ ...good, model_info: { ...info, ...changes } });

  test('with one type that the server does not know gives no weights, rather than too few', () => {
    const tensors = [...(good.tensors as object[]), { name: 'blk.0.x.weight', type: 'unknown', shape: [32, 2] }];
    const shown = factsFromShow({ ...good, tensors });
    expect(shown.weights).toBeUndefined();
    expect(shown.missing).toEqual(expect.arrayContaining(['tensors', 'weights']));
    expect(shown.tensors).toHaveLength(127);
  });

  test('with types in lower case is read all the same', () => {
    const tensors = (good.tensors as { type: string }[]).map((one) => ({ ...one, type: one.type.toLowerCase() }));
    expect(factsFromShow({ ...good, tensors }).weights).toEqual(factsFromShow(good).weights);
  });

  test.each<[string, unknown, string, string]>([
    ['nothing', undefined, 'remote-fault', "the server's answer to show is not valid"],
    ['a text', '<html>', 'remote-fault', "the server's answer to show is not valid"],
    ['no metadata', { tensors: [] }, 'remote-fault', 'model_info'],
    ['a tensor without a type', { ...good, tensors: [{ name: 'x', shape: [1] }] }, 'remote-fault', 'tensors[0].type'],
    ['a negative size', { ...good, tensors: [{ name: 'x', type: 'F32', shape: [-1] }] }, 'remote-fault', 'shape[0]'],
    ['half a weight', { ...good, tensors: [{ name: 'x', type: 'F32', shape: [1.5] }] }, 'remote-fault', 'shape[0]'],
    [
      'five dimensions',
      { ...good, tensors: [{ name: 'x', type: 'F32', shape: [1, 1, 1, 1, 1] }] },
      'remote-fault',
      'shape',
    ],
    [
      'half a block',
      { ...good, tensors: [{ name: 'x', type: 'Q8_0', shape: [33] }] },
      'bad-gguf',
      'rows of 33 elements',
    ],
    [
      'more than any file',
      { ...good, tensors: [{ name: 'x', type: 'F32', shape: [2 ** 40, 2 ** 40] }] },
      'bad-gguf',
      'more than any file holds',
    ],
    ['no architecture', changed({ 'general.architecture': null }), 'bad-gguf', '"general.architecture" is missing'],
    ['blocks in words', changed({ 'gemma3n.block_count': 'five' }), 'bad-gguf', 'is string and must be'],
    ['half a block count', changed({ 'gemma3n.block_count': 2.5 }), 'bad-gguf', 'is number 2.5 and must be'],
    ['tokens that are numbers', changed({ 'tokenizer.ggml.tokens': [1, 2] }), 'bad-gguf', 'array of number'],
    ['an object as a value', changed({ 'general.name': {} }), 'remote-fault', 'model_info.general.name'],
  ])('%s is refused', (_, answer, code, fragment) => {
    const attempt = (): unknown => factsFromShow(answer);
    expect(attempt).toThrow(expect.objectContaining({ code, message: expect.stringContaining(fragment) }));
    expect(attempt).not.toThrow('at byte');
  });

  test('of any other form throws ProvisionError and nothing else', () => {
    const keys = fc.constantFrom(...Object.keys(info), '__proto__');
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.double(), fc.bigInt());
    const tensor = fc.record({
      name: fc.string({ unit: 'binary' }),
      type: fc.constantFrom('F32', 'Q4_K', 'unknown', ''),
      shape: fc.array(fc.oneof(fc.nat(), fc.double(), fc.maxSafeNat())),
    });
    fc.assert(
      fc.property(
        fc.dictionary(keys, value, { maxKeys: 4 }),
        fc.oneof(fc.array(tensor, { maxLength: 4 }), fc.constant(good.tensors), fc.jsonValue()),
        (changes, tensors) => {
          try {
            const facts = factsFromShow({ ...(changed(changes) as object), tensors });
            expect(facts.weights === undefined).toBe(facts.missing.includes('weights'));
          } catch (error) {
            expect(error).toBeInstanceOf(ProvisionError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
