/** Servers at random: a proof stays within its budget, and is never wrong where texts can be seen. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SHAPES } from '../../../../src/smoke/prompt/shapes.ts';
import { GO, gemma, type Planted, proven } from './support.ts';

const defects = fc.record({
  bos: fc.constantFrom('', '', '<bos>', '<bos><bos>'),
  model: fc.constantFrom('model', 'model', 'assistant', 'robot'),
  user: fc.constantFrom('user', 'user', 'human'),
  losesSystem: fc.boolean(),
  ending: fc.constantFrom('', '', '\n', '<eos>'),
});
const servers = fc
  .record({
    shows: fc.boolean(),
    counts: fc.boolean(),
    addsBos: fc.boolean(),
    stripsBos: fc.boolean(),
    unread: fc.boolean(),
    uncounted: fc.boolean(),
  })
  // Servers that strip a BOS show their prompts.
  .filter(({ shows, stripsBos }) => shows || !stripsBos);

test('a random server with random defects', async () => {
  const right = gemma();
  await fc.assert(
    fc.asyncProperty(defects, servers, async (planted, { unread, uncounted, ...server }) => {
      const template = gemma(planted);
      const prompting: Planted['prompting'] = { ...server, template };
      const stored = { template: planted.bos + GO };
      const { proof } = await proven({ prompting, stored, unread, uncounted });
      expect(proof.requests).toBeLessThanOrEqual(6);
      expect(proof.generatedTokens).toBeLessThanOrEqual(8);

      const written = planted.bos.length / '<bos>'.length;
      const stripped = server.addsBos && server.stripsBos ? Math.min(written, 1) : 0;
      const bosCount = written - stripped + (server.addsBos ? 1 : 0);
      const bodies = SHAPES.every(({ messages }) => template(messages) === planted.bos + right(messages));
      if (proof.verdict === 'proven') expect([bodies, bosCount]).toEqual([true, 1]);
      if (proof.verdict === 'proven-by-count') expect(bosCount).toBe(1);
      if (proof.bosCount !== undefined) expect(proof.bosCount).toBe(bosCount);
      if (bodies && bosCount === 1) expect(proof.verdict).not.toBe('differs');
      if (bodies && bosCount === 1 && server.counts) expect(proof.verdict).toMatch(/^proven/);
      if (!bodies && server.shows) expect(proof.verdict).toBe('differs');
    }),
    { numRuns: 300 },
  );
});
