/** Models whose chat format the server has built in: the templates of this repository, the spec, and the Modelfile. */
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { realDisk } from '../../../src/disk/disk.ts';
import { parseModelfile } from '../../../src/modelfile/parse.ts';
import { renderModelfile } from '../../../src/modelfile/render.ts';
import { modelSpec } from '../../../src/modelfile/spec.ts';
import { chatTemplateOf, loadTemplates, RAW_TEMPLATE } from '../../../src/modelfile/templates.ts';
import { family, first, shippedTemplates } from './family.ts';

const Message = z.strictObject({ role: z.string(), content: z.string() });
const Shapes = z.object({ shapes: z.array(z.object({ id: z.string(), messages: z.array(Message) })) });
const Recorded = z.object({
  templates: z.record(
    z.string(),
    z.object({ plain: z.record(z.string(), z.string()), thinking: z.record(z.string(), z.string()) }),
  ),
});
const fixture = (name: string): unknown => JSON.parse(readFileSync(`test/fixtures/templates/${name}.json`, 'utf8'));
const { shapes } = Shapes.parse(fixture('shapes'));
const recorded = Recorded.parse(fixture('gemma4')).templates;
const templates = await loadTemplates(realDisk, process.cwd());

describe.each(Object.keys(recorded))('%s writes what the publisher’s own template writes', (name) => {
  const template = new Template(chatTemplateOf(templates, name));
  const render = (messages: readonly z.infer<typeof Message>[], thinks: boolean) =>
    template.render({
      messages,
      bos_token: '<bos>',
      add_generation_prompt: true,
      ...(thinks && { enable_thinking: true }),
    });

  test.each(shapes)('$id', ({ id, messages }) => {
    expect(render(messages, false)).toBe(recorded[name]?.plain[id]);
  });

  test('and with thoughts', () => {
    const asked = shapes.filter(({ id }) => recorded[name]?.thinking[id] !== undefined);
    expect(asked.length).toBeGreaterThan(0);
    for (const { id, messages } of asked) expect(render(messages, true)).toBe(recorded[name]?.thinking[id]);
  });
});

test('thoughts of earlier answers are not written again', () => {
  const template = new Template(chatTemplateOf(templates, 'gemma4-small'));
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: '<|channel>thought\nA greeting.<channel|>Hello!' },
    { role: 'user', content: 'Bye' },
  ];
  const text = template.render({ messages, bos_token: '', add_generation_prompt: true });
  expect(text).toBe('<|turn>user\nHi<turn|>\n<|turn>model\nHello!<turn|>\n<|turn>user\nBye<turn|>\n<|turn>model\n');
});

const source = 'test';
const own = family({ chatTemplate: 'gemma4-small', architecture: 'gemma4' });
const model = {
  ...first(own.models),
  chat: { template: 'gemma4-large', ollama: { renderer: 'gemma4-large', parser: 'gemma4' }, source },
};
const request = { family: own, model, chatTemplate: chatTemplateOf(templates, 'gemma4-large') };

describe('the spec', () => {
  test('names the format, and the first server that has it', () => {
    expect(modelSpec(request)).toMatchObject({
      templateName: 'gemma4-large',
      builtIn: { renderer: 'gemma4-large', parser: 'gemma4', requires: '0.21.0' },
    });
  });

  test('requires the later of the server with the format and the one that runs the model', () => {
    const row = (software: string, version: string) => ({ software, version, why: 'w', source });
    const newer = { ...model, minimumVersions: [row('llama.cpp', '9.9.9'), row('Ollama', '0.30.3')] };
    expect(modelSpec({ ...request, model: newer }).builtIn?.requires).toBe('0.30.3');
    const older = { ...model, minimumVersions: [row('Ollama', '0.9.3')] };
    expect(modelSpec({ ...request, model: older }).builtIn?.requires).toBe('0.21.0');
  });

  test('knows what encloses thoughts, for runtimes that read answers themselves', () => {
    const thinking = { switch: '<|think|>', opens: '<|channel>thought', closes: '<channel|>' };
    const thinks = { ...model, chat: { ...model.chat, thinking } };
    const { thoughts } = modelSpec({ ...request, model: thinks }).builtIn ?? {};
    expect(thoughts).toEqual({ opens: '<|channel>thought', closes: '<channel|>' });
  });

  test('has none for the template of a pretrained model', () => {
    const raw = { ...request, templateName: RAW_TEMPLATE, chatTemplate: chatTemplateOf(templates, RAW_TEMPLATE) };
    expect(modelSpec(raw).builtIn).toBeUndefined();
  });
});

test('its Modelfile has RENDERER, PARSER and REQUIRES, and no TEMPLATE', () => {
  const { modelfiles } = shippedTemplates();
  const template = modelfiles.get('default') ?? expect.fail();
  const text = renderModelfile({ spec: modelSpec(request), family: own, model, quant: first(model.quants), template });
  const commands = parseModelfile(text).map(({ name, value }) => [name, value]);
  expect(commands).toEqual(
    expect.arrayContaining([
      ['renderer', 'gemma4-large'],
      ['parser', 'gemma4'],
      ['requires', '0.21.0'],
    ]),
  );
  expect(commands.map(([name]) => name)).not.toContain('template');
  expect(text).toContain('# chat template templates/chat/gemma4-large.jinja sha256:');
});
