/** `templates/chat/gemma.jinja`, which stands in for a file's own template, against what Google's own one makes. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { renderJinja } from '../../../../src/runtimes/jinja.ts';
import { SHAPES } from '../../../../src/smoke/prompt/shapes.ts';
import { UNCAGED } from '../../../helpers/cage.ts';

const Message = z.strictObject({ role: z.string(), content: z.string() });
const Official = z.union([z.strictObject({ text: z.string() }), z.strictObject({ refused: z.string() })]);
const Shapes = z.object({
  shapes: z.array(z.strictObject({ id: z.string(), messages: z.array(Message), official: Official })),
});

const { shapes } = Shapes.parse(JSON.parse(readFileSync('test/fixtures/templates/shapes.json', 'utf8')));
const reference = readFileSync('templates/chat/gemma.jinja', 'utf8').replaceAll('\r\n', '\n');
const tiny = readFileSync('test/fixtures/templates/tiny-gemma-3n.jinja', 'utf8');
const tokens = { bos: '<bos>', eos: '<eos>' };

/** The fixtures hold roles that no conversation of ours has, which a template must treat alike all the same. */
function render(source: string, messages: readonly z.infer<typeof Message>[]): Promise<string> {
  return renderJinja(source, messages as Parameters<typeof renderJinja>[1], tokens, UNCAGED);
}

describe('the reference template of Gemma', () => {
  test.each(shapes)('$id', async ({ messages, official }) => {
    if ('text' in official) return expect(await render(reference, messages)).toBe(official.text);
    await expect(render(reference, messages)).rejects.toMatchObject({ code: 'bad-usage' });
  });

  test.each(SHAPES)('the tiny model was trained with the same for $id', async ({ messages }) => {
    expect(await render(reference, messages)).toBe(await render(tiny, messages));
  });

  test('text parts are joined, other parts left out', async () => {
    const content = [{ type: 'image' }, { type: 'text', text: ' Look' }, { type: 'text', text: ' here. ' }];
    const messages = [{ role: 'user', content }] as unknown as Parameters<typeof render>[1];
    expect(await render(reference, messages)).toContain('user\nLookhere.<end_of_turn>');
  });
});

test('a broken template and refused messages have codes of their own', async () => {
  await expect(render('{% if %}', [])).rejects.toMatchObject({ code: 'bad-template' });
  await expect(render("{{ raise_exception('no') }}", [])).rejects.toMatchObject({ code: 'bad-usage' });
});
