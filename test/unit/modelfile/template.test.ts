/**
 * The Go chat template as real servers render it, against the Jinja templates of the models. Go templates cannot
 * be run here, so the server's word is recorded: see scripts/record-template.ts.
 */
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { digestOf } from '../../../src/core/digest.ts';

const FIXTURES = 'test/fixtures/templates';
const Official = z.union([z.strictObject({ text: z.string() }), z.strictObject({ refused: z.string() })]);
const Message = z.strictObject({ role: z.string(), content: z.string() });
const Shapes = z.object({
  shapes: z.array(z.strictObject({ id: z.string(), messages: z.array(Message), official: Official })),
});
const Rendered = z.strictObject({
  template: z.literal('gemma'),
  templateDigest: z.string(),
  server: z.string(),
  chat: z.record(z.string(), z.string()),
  generate: z.strictObject({ plain: z.string(), system: z.string() }),
});

const { shapes } = Shapes.parse(JSON.parse(readFileSync(`${FIXTURES}/shapes.json`, 'utf8')));
const rendered = Rendered.parse(JSON.parse(readFileSync(`${FIXTURES}/rendered.json`, 'utf8')));
const goTemplate = readFileSync('templates/chat/gemma.gotmpl', 'utf8').replaceAll('\r\n', '\n');
const tinyJinja = new Template(readFileSync(`${FIXTURES}/tiny-gemma-3n.jinja`, 'utf8'));

/** Shapes that Google's template renders and ours renders otherwise, with the reason. */
const UNLIKE_OFFICIAL = new Map([
  [
    'edges-no-break-space',
    'only the six ASCII blanks are trimmed, as llama.cpp does; Python and JavaScript trim Unicode blanks too',
  ],
  [
    'system-after-user',
    'the official template writes a `system` turn, which the model never saw; ours goes into the next user turn',
  ],
]);
/** Shapes that the tiny model's template renders otherwise, with the reason. */
const UNLIKE_TINY = new Map([
  ['edges-no-break-space', 'as above'],
  ['edges-of-system', 'the tiny template trims the system text; the official one and ours do not'],
  ['two-users', 'the server joins messages of one role before any template sees them'],
  ['two-assistants', 'the server joins messages of one role before any template sees them'],
]);

test('the recordings are of the template as it is now', () => {
  expect(
    rendered.templateDigest,
    'templates/chat/gemma.gotmpl changed: record it again with `OLLAMA_HOST=… node scripts/record-template.ts MODEL` on a server of 0.11.5 or later',
  ).toBe(digestOf(goTemplate));
  expect(Object.keys(rendered.chat), 'shapes.json changed: record again').toEqual(shapes.map(({ id }) => id));
});

test('the template never writes BOS: the server adds it', () => {
  expect(goTemplate).not.toContain('<bos>');
});

describe("Google's template", () => {
  const comparable = shapes.flatMap(({ id, official }) => ('text' in official ? [{ id, text: official.text }] : []));

  test.each(comparable)('$id', ({ id, text }) => {
    const ours = `<bos>${rendered.chat[id]}`;
    if (UNLIKE_OFFICIAL.has(id)) expect(ours).not.toBe(text);
    else expect(ours).toBe(text);
  });

  test('what it refuses is refused for its roles only, and ours still gives whole turns', () => {
    const refused = shapes.filter(({ official }) => 'refused' in official).map(({ id }) => id);
    expect(refused).toEqual([
      'assistant-first',
      'two-systems',
      'system-in-the-middle',
      'developer',
      'two-users',
      'two-assistants',
    ]);
    for (const id of refused)
      expect(rendered.chat[id]).toMatch(/^(<start_of_turn>(user|model)\n[^<]*<end_of_turn>\n)+<start_of_turn>model\n$/);
  });
});

describe("the tiny model's template", () => {
  test.each(shapes)('$id', ({ id, messages }) => {
    const theirs = tinyJinja.render({ messages, bos_token: '<bos>', add_generation_prompt: true });
    const ours = `<bos>${rendered.chat[id]}`;
    if (UNLIKE_TINY.has(id)) expect(ours).not.toBe(theirs);
    else expect(ours).toBe(theirs);
  });
});

test('a prompt of /api/generate goes through the same turns', () => {
  expect(rendered.generate).toEqual({
    plain: '<start_of_turn>user\nWho are you?<end_of_turn>\n<start_of_turn>model\n',
    system: '<start_of_turn>user\nBe brief.\n\nWho are you?<end_of_turn>\n<start_of_turn>model\n',
  });
});

test.each(['0.24.0', '0.33.0-rc2'])('the turns recorded on Ollama %s before this template was written', (version) => {
  const { exchanges } = JSON.parse(readFileSync(`test/fixtures/transcripts/ollama-${version}.json`, 'utf8')) as {
    exchanges: { id: string; response: { body: string } }[];
  };
  const exchange = exchanges.find(({ id }) => id === 'chat.render-only');
  const recorded = z
    .object({ _debug_info: z.object({ rendered_template: z.string() }) })
    .parse(JSON.parse(exchange?.response.body ?? '{}'));
  expect(rendered.chat['system-multi-turn']).toBe(recorded._debug_info.rendered_template);
});
