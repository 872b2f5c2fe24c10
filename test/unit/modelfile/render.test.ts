import { describe, expect, test } from 'vitest';
import { parseModelfile } from '../../../src/modelfile/parse.ts';
import { renderModelfile } from '../../../src/modelfile/render.ts';
import { modelSpec } from '../../../src/modelfile/spec.ts';
import { modelfileTemplateOf } from '../../../src/modelfile/templates.ts';
import { family, first, shippedTemplates } from './family.ts';

const templates = shippedTemplates();
const chatTemplate = first([...templates.chats.values()]).text;
const template = modelfileTemplateOf(templates, 'gemma-9');
const gemma = family();
const model = first(gemma.models);
const quant = first(model.quants);
const spec = modelSpec({ family: gemma, model, chatTemplate });
const request = { spec, family: gemma, model, quant, template };

describe('renderModelfile', () => {
  test('writes everything that the spec says, so that it reads back exactly', () => {
    const read = parseModelfile(renderModelfile(request)).map(({ name, key, value }) => ({ name, key, value }));
    const parameter = (key: string, value: string) => ({ name: 'parameter', key, value });
    expect(read).toEqual([
      { name: 'from', key: undefined, value: './gemma-9-e4b-q4_k_m.gguf' },
      { name: 'template', key: undefined, value: chatTemplate },
      parameter('temperature', '0.7'),
      parameter('top_p', '0.9'),
      parameter('top_k', '40'),
      parameter('repeat_penalty', '1.1'),
      parameter('num_predict', '4096'),
      parameter('num_ctx', '8192'),
      parameter('stop', '<end_of_turn>'),
      parameter('stop', '<eos>'),
      { name: 'license', key: undefined, value: 'Line one.\n\n"Quoted" line.\n' },
    ]);
  });

  test('keeps angle brackets and quotes as they are', () => {
    const text = renderModelfile(request);
    expect(text).toContain('PARAMETER stop "<end_of_turn>"\n');
    expect(text).not.toMatch(/&lt;|&quot;|&#x27;/);
  });

  test('the header names the template with its digest, the chat template with its digest, the quant and the way to use it', () => {
    const [header] = renderModelfile(request).split('\nFROM ');
    expect(header).toContain('templates/default.modelfile.hbs');
    expect(header?.match(/sha256:[0-9a-f]{64}/g)).toHaveLength(2);
    expect(header).toContain(`templates/chat/gemma.gotmpl ${spec.templateDigest}`);
    expect(header).toContain('quant q4_k_m');
    expect(header).toContain('ollama create gemma-9-e4b:q4_k_m -f e4b-q4_k_m.Modelfile');
  });

  test('writes a system text and another place of the bytes', () => {
    const text = renderModelfile({ ...request, spec: { ...spec, system: 'Say "hi"\nand stop.' }, from: '/a b/x.gguf' });
    const read = parseModelfile(text);
    expect(read.find(({ name }) => name === 'system')?.value).toBe('Say "hi"\nand stop.');
    expect(read.find(({ name }) => name === 'from')?.value).toBe('/a b/x.gguf');
  });

  test.each([
    ['a licence that ends a line in """', { license: 'x"""\ny' }, 'cannot represent this text exactly'],
    ['a system text with NUL', { system: 'a\0b' }, 'drops NUL'],
    [
      'a stop word with a zero width space',
      { parameters: { stop: ['a\u200bb'] } },
      'cannot represent this parameter stop exactly',
    ],
    ['a parameter name with a line end in it', { parameters: { 'top_k 1\nSYSTEM x': 1 } }, 'is not a parameter name'],
  ])('refuses %s', (_what, change, reason) => {
    const wrong = { ...request, spec: { ...spec, ...change } };
    expect(() => renderModelfile(wrong)).toThrow(expect.objectContaining({ code: 'bad-template' }));
    expect(() => renderModelfile(wrong)).toThrow(reason);
  });

  test.each([
    ['leaves a value out', (text: string) => text.replace('LICENSE {{text license}}', ''), 'does not say "license'],
    [
      'forgets the quotes',
      (text: string) => text.replace('{{text license}}', '{{license}}'),
      /line \d+: bad command|does not say|is not a command/,
    ],
    ['says a thing twice', (text: string) => `${text}PARAMETER top_k 40\n`, 'adds or repeats'],
    ['adds a thing', (text: string) => `${text}SYSTEM hello\n`, 'adds or repeats "system hello"'],
    [
      'names what is not there',
      (text: string) => text.replace('{{text license}}', '{{text licence}}'),
      'a name that the template data does not have',
    ],
    ['has Go syntax in it', () => 'FROM x\nTEMPLATE {{ .Prompt }}\n', 'does not render'],
  ])('refuses a template that %s', (_what, change, reason) => {
    const wrong = { ...request, template: { name: 'mine.hbs', text: change(template.text) } };
    expect(() => renderModelfile(wrong)).toThrow(expect.objectContaining({ code: 'bad-template' }));
    expect(() => renderModelfile(wrong)).toThrow(reason);
  });
});
