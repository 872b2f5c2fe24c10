/** Whose template is used, and what the reference allows. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GO, gemma, proven, verdictsOf } from './support.ts';

const JINJA = readFileSync('test/fixtures/templates/tiny-gemma-3n.jinja', 'utf8');
const CHATML = `{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' -}}{%- endfor -%}{{- '<|im_start|>assistant\\n' -}}`;

describe('a server that shows Jinja although a Go template was sent', () => {
  test('is told as a warning while the prompts are right', async () => {
    const { proof, names } = await proven({ stored: { template: JINJA }, request: { sentTemplate: GO } });
    expect(names).toEqual(['template-swallowed warning']);
    expect(proof).toMatchObject({ verdict: 'proven', winner: 'jinja' });
    expect(proof.findings[0]?.remedy).toContain('OLLAMA_GO_TEMPLATE=1');
  });

  test('is a fault when the prompts differ', async () => {
    const { proof, names } = await proven({
      prompting: { template: gemma({ model: 'assistant' }) },
      stored: { template: JINJA },
      request: { sentTemplate: GO },
    });
    expect(names).toEqual(['template-swallowed fault', 'wrong-role fault']);
    expect(proof.verdict).toBe('differs');
  });

  test('is a fault when the prompts are as in the file, but the template that was sent gives others', async () => {
    const template = (messages: readonly { role: string; content: string }[]) =>
      `${messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;
    const reference = { source: CHATML, from: 'file' } as const;
    const same = { prompting: { template }, stored: { template: CHATML }, request: { reference } };
    const swallowed = await proven({ ...same, request: { reference, sentTemplate: GO } });
    expect(swallowed.names).toEqual(['template-swallowed fault']);
    expect(verdictsOf(swallowed.proof)).toMatchObject({ user: 'equal', 'multi-turn': 'equal' });
    expect((await proven(same)).proof).toMatchObject({ verdict: 'proven', winner: 'jinja' });
  });

  test('a template without markers of its own cannot be held against it', async () => {
    const { names } = await proven({ stored: { template: JINJA }, request: { sentTemplate: '{{ .Prompt }}' } });
    expect(names).toEqual(['template-swallowed warning']);
  });
});

test('nothing is swallowed where Jinja was sent, or nobody knows what was sent', async () => {
  expect((await proven({ stored: { template: JINJA } })).names).toEqual([]);
  expect((await proven({ stored: { template: JINJA }, request: { sentTemplate: JINJA } })).names).toEqual([]);
  expect((await proven({ request: { sentTemplate: GO } })).proof.winner).toBe('template');
});

test('a runtime that shows no template leaves it open, the embedded one uses the file’s own', async () => {
  const stored = { template: undefined } as never;
  expect((await proven({ stored })).proof.winner).toBe('unknown');
  const { proof, names } = await proven({ kind: 'embedded', stored: { template: GO }, request: { sentTemplate: GO } });
  expect([proof.winner, names]).toEqual(['jinja', []]);
});

describe('the reference', () => {
  test('that is broken proves nothing', async () => {
    const reference = { source: '{% if %}', from: 'file' } as const;
    const { proof, names } = await proven({ request: { reference } });
    expect(proof).toMatchObject({ verdict: 'not-provable', expectedFrom: 'file', requests: 0, shapes: [] });
    expect(names).toEqual(['not-provable warning']);
    expect(proof.findings[0]?.message).toContain('broken');
  });

  test('that refuses a shape leaves that one out and says so', async () => {
    const source = `{%- if messages[0].role == 'system' -%}{{- raise_exception('no system') -}}{%- endif -%}{{- bos_token -}}{%- for m in messages -%}{{- '<start_of_turn>' + m.role + '\\n' + m.content + '<end_of_turn>\\n' -}}{%- endfor -%}{{- '<start_of_turn>model\\n' -}}`;
    const { proof, names } = await proven({ request: { reference: { source, from: 'catalog' } } });
    expect(verdictsOf(proof)).toEqual({
      user: 'equal',
      markers: 'equal',
      'system-user': 'unknown',
      'multi-turn': 'unknown',
    });
    expect(names).toEqual(['not-provable warning', 'not-provable warning']);
    expect(proof).toMatchObject({ verdict: 'proven', expectedFrom: 'catalog', bosCount: 1 });
  });

  test('that refuses everything proves nothing', async () => {
    const source = `{{- raise_exception('never') -}}`;
    const { proof } = await proven({ request: { reference: { source, from: 'file' } } });
    expect(proof).toMatchObject({ verdict: 'not-provable', expected: '', requests: 1 });
    expect(Object.values(verdictsOf(proof))).toEqual(Array(4).fill('unknown'));
  });

  test('that knows no BOS, for a tokenizer that adds none, wants none', async () => {
    const source = JINJA.replace('{{- bos_token -}}', '');
    const { proof } = await proven({ prompting: { addsBos: false }, request: { reference: { source, from: 'file' } } });
    expect(proof).toMatchObject({ verdict: 'proven', bosCount: 0, findings: [] });
  });
});

test('the model’s own system text is expected where the conversation brings none', async () => {
  const own = (messages: Parameters<ReturnType<typeof gemma>>[0]) =>
    gemma()(messages[0]?.role === 'system' ? messages : [{ role: 'system', content: 'Be brief.' }, ...messages]);
  const { proof } = await proven({ prompting: { template: own }, stored: { system: 'Be brief.' } });
  expect(proof).toMatchObject({ verdict: 'proven', findings: [] });
  expect(proof.effective).toContain('user\nBe brief.\n\nWhat');
  const lost = await proven({ prompting: { template: gemma() }, stored: { system: 'Be brief.' } });
  expect(lost.names).toEqual(['system-lost fault']);
  expect(verdictsOf(lost.proof)).toMatchObject({ user: 'differs', 'system-user': 'equal' });
});

test('a short context may have cut a prompt: then the difference accuses nobody', async () => {
  const cut = (messages: Parameters<ReturnType<typeof gemma>>[0]) =>
    gemma()(messages.length > 2 ? messages.slice(-1) : messages);
  const planted = { prompting: { template: cut, contextLength: 100 }, stored: { contextLength: 100 } };
  const { proof, names } = await proven(planted);
  expect(proof.verdict).toBe('not-provable');
  expect(names).toEqual(['not-provable warning']);
  expect(verdictsOf(proof)).toMatchObject({ user: 'equal', 'multi-turn': 'unknown' });
  expect((await proven({ prompting: { template: cut } })).names).toEqual(['system-lost fault']);
});
