import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { ModelSpec } from '../../../src/modelfile/schema.ts';
import { modelSpec } from '../../../src/modelfile/spec.ts';
import { family, first, shippedTemplates } from './family.ts';

const chatTemplate = first([...shippedTemplates().chats.values()]).text;
const gemma = family();
const model = first(gemma.models);

describe('modelSpec', () => {
  test('takes the default profile, the default context, every stop token and the licence', () => {
    const spec = modelSpec({ family: gemma, model, chatTemplate });
    expect(ModelSpec.parse(spec)).toEqual({
      templateName: 'gemma',
      template: chatTemplate,
      templateDigest: digestOf(chatTemplate),
      profile: 'card',
      parameters: {
        temperature: 0.7,
        top_p: 0.9,
        top_k: 40,
        repeat_penalty: 1.1,
        num_predict: 4096,
        num_ctx: 8192,
        stop: ['<end_of_turn>', '<eos>'],
      },
      license: 'Line one.\n\n"Quoted" line.\n',
    });
  });

  test('takes what is asked for', () => {
    const spec = modelSpec({
      family: gemma,
      model,
      chatTemplate,
      profile: 'google',
      contextLength: 32768,
      batch: 256,
      system: 'Be brief.',
    });
    expect(spec.system).toBe('Be brief.');
    expect(spec.parameters).toEqual({
      temperature: 1,
      top_p: 0.95,
      top_k: 64,
      num_ctx: 32768,
      num_batch: 256,
      stop: ['<end_of_turn>', '<eos>'],
    });
  });

  test('a default context longer than the model was trained for is cut to it', () => {
    const long = { ...model, defaultContext: 131_072 };
    expect(modelSpec({ family: gemma, model: long, chatTemplate }).parameters.num_ctx).toBe(32768);
  });

  test.each([
    [{ profile: 'gogle' }, 'bad-usage', 'not have a sampling profile gogle'],
    [{ profile: 'constructor' }, 'bad-usage', 'not have a sampling profile constructor'],
    [{ contextLength: 32769 }, 'bad-usage', 'out of range for gemma-9-e4b: 1 to 32768'],
    [{ contextLength: 0 }, 'bad-usage', 'out of range'],
    [{ contextLength: 1.5 }, 'bad-usage', 'out of range'],
    [{ batch: 0 }, 'bad-usage', 'batch of 0 tokens'],
    [{ chatTemplate: '<bos>{{ .Prompt }}' }, 'bad-template', 'contains <bos>, which the server also adds'],
    [{ chatTemplate: '<start_of_turn>model' }, 'bad-template', 'would omit every message'],
  ])('refuses %j', (change, code, reason) => {
    const request = { family: gemma, model, chatTemplate, ...change };
    expect(() => modelSpec(request)).toThrow(expect.objectContaining({ code }));
    expect(() => modelSpec(request)).toThrow(reason);
  });

  test('an unknown profile gets the nearest one', () => {
    expect(() => modelSpec({ family: gemma, model, chatTemplate, profile: 'gogle' })).toThrow(
      expect.objectContaining({ suggestions: ['Did you mean google?', 'Known: card, google.'] }),
    );
  });
});
