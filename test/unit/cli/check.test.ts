import { describe, expect, test } from 'vitest';
import { checkText } from '../../../src/cli/render/check.ts';
import { checkServer } from '../../../src/compat/check.ts';

const terminal = { color: false };

function textFor(quant: string): string {
  const target = { architecture: 'gemma4', quant };
  const verdicts = checkServer('0.33.0-rc2', target).map((verdict) => ({ ...verdict }));
  const server = { version: '0.33.0-rc2', endpoint: 'http://127.0.0.1:11434' };
  return checkText({ server, target, supported: true, verdicts }, { terminal, all: false });
}

describe('what is not known never counts as a pass', () => {
  test('a quant without evidence has a mark of its own, and the answer is not "supported"', () => {
    const text = textFor('iq2_xs');
    expect(text).toMatch(/^\? {2}quant\.iq2_xs /m);
    expect(text).toContain('gemma4:iq2_xs: nothing forbids it, but not everything is known (quant.iq2_xs)');
    expect(text).not.toContain(': supported');
  });

  test('one with evidence is supported', () => {
    const text = textFor('q4_0');
    expect(text).toMatch(/^✓ {2}quant\.q4_0 /m);
    expect(text).toContain('gemma4:q4_0: supported');
  });
});
