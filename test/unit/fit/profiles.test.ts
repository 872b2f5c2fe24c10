import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { recommend } from '../../../src/fit/choice/recommend.ts';
import type { ChoicePolicy, Engine, Recommendation } from '../../../src/fit/schema.ts';
import { HostProfile } from '../../../src/hardware/schema.ts';
import { E4B, GEMMA_3N, SETTINGS } from './support.ts';

const FOLDER = new URL('../../fixtures/profiles/', import.meta.url);

type Expected = readonly [quant: string, verdict: string] | undefined;

/** What gemma-3n-e4b gets at a context of 4096, with Ollama 0.30 and later and with 0.11.11 to 0.24, and why. */
const CHOICES: Readonly<Record<string, readonly [b: Expected, a2: Expected, why: string]>> = {
  'amd-apu-780m-16gb': [['q4_0', 'cpu'], ['q4_0', 'cpu'], 'nothing is fast enough without a GPU: the card’s first'],
  'amd-rx-7900-xtx-24gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'F16 has as many stars in twice the memory'],
  'apple-m1-8gb': [undefined, undefined, '4.3 GiB of RAM are free: Q2_K with 2.81 + 1.50 misses it by 6 MiB'],
  'apple-m1-pro-16gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'Metal’s limit of 10.7 GiB has room for it'],
  'apple-m3-max-36gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'Metal’s limit is 27 GiB'],
  'container-6gib': [['q3_k_s', 'cpu'], ['q3_k_s', 'cpu'], 'nothing is fast enough: the card’s first for edge devices'],
  'cpu-only-32gb': [['q4_0', 'cpu'], ['q4_0', 'cpu'], 'more would fit, but every byte is read for every token'],
  'cpu-only-8gb': [['q3_k_s', 'cpu'], ['q3_k_s', 'cpu'], '5.2 GiB are free: Q4_0 and Q3_K_M do not fit, Q3_K_S does'],
  'nvidia-2x-rtx-3090-24gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'one of the two is enough'],
  'nvidia-gtx-1650-4gb': [
    ['q3_k_l', 'gpu'],
    ['q6_k', 'partial'],
    '3.6 GiB free: Q3_K_L is the best that fits wholly; with the PLE table nothing of two stars does',
  ],
  'nvidia-rtx-3060-12gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], '11.3 GiB free'],
  'nvidia-rtx-4060-8gb': [['q8_0', 'gpu'], ['q6_k', 'gpu'], '7.5 GiB free: enough for Q8_0 without its PLE table'],
  'nvidia-rtx-4080-16gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'F16 has as many stars in twice the memory'],
  'nvidia-rtx-4090-24gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'F16 has as many stars in twice the memory'],
  'nvidia-rtx-a6000-48gb': [['q8_0', 'gpu'], ['q8_0', 'gpu'], 'F16 has as many stars in twice the memory'],
  'raspberry-pi-5-4gb': [undefined, undefined, 'Q2_K takes 3.2 GiB of RAM, 3.3 are free and 1.5 must stay'],
  'wsl-rtx-3070-8gb': [['q8_0', 'gpu'], ['q6_k', 'gpu'], '6.7 GiB free: enough for Q8_0 without its PLE table'],
};

/** What the card would have there with Ollama 0.30 and later, where it is something else. */
const BY_CARD: Readonly<Record<string, string>> = {
  'apple-m1-pro-16gb': 'q5_k_s',
  'nvidia-gtx-1650-4gb': 'q3_k_m',
  'nvidia-rtx-3060-12gb': 'q6_k',
  'nvidia-rtx-4060-8gb': 'q5_k_s',
  'nvidia-rtx-4080-16gb': 'q6_k',
  'wsl-rtx-3070-8gb': 'q5_k_s',
};

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace('.json', ''));

function advise(name: string, engine: Engine, policy: ChoicePolicy = 'best'): Recommendation {
  const profile = HostProfile.parse(JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')));
  const settings = { ...SETTINGS, contextLength: 4096, flashAttention: engine === 'ollama-b' };
  return recommend({ family: GEMMA_3N, model: E4B, settings, engine, profile, policy });
}

describe('the saved host profiles', () => {
  test('each has an expected choice', () => {
    expect(names.toSorted()).toEqual(Object.keys(CHOICES).toSorted());
  });

  test.each(Object.entries(CHOICES))('%s', (name, [b, a2, why]) => {
    const chosen = (engine: Engine): Expected => {
      const { choice } = advise(name, engine);
      return choice && [choice.quant, choice.verdict];
    };
    expect([chosen('ollama-b'), chosen('ollama-a2')], why).toEqual([b, a2]);
  });

  test.each(names)('%s: both policies, each named by the other', (name) => {
    const best = advise(name, 'ollama-b').choice;
    const card = advise(name, 'ollama-b', 'card').choice;
    expect(card?.quant).toBe(BY_CARD[name] ?? CHOICES[name]?.[0]?.[0]);
    expect(card?.picks).toEqual(best?.picks);
    if (best?.quant === card?.quant) return;
    expect(best?.reasons.join(' ')).toContain(`To use ${card?.quant}: --policy card.`);
    expect(card?.reasons.join(' ')).toContain(`To use ${best?.quant}: --policy best.`);
  });

  test.each(names)('%s: the choice is explained, and what does not run says why', (name) => {
    const { choice, shortfall, candidates } = advise(name, 'ollama-b');
    expect(choice?.reasons.length ?? shortfall?.length).toBeGreaterThan(0);
    expect(candidates).toHaveLength(15);
    for (const { verdict, blockedBy } of candidates) expect(blockedBy.length > 0).toBe(verdict === 'no');
  });

  test.each(['ollama-b', 'ollama-a2'] as const)(
    'a quant that runs wholly on the 8 GB card does so on all larger ones (%s)',
    (engine) => {
      const onGpu = (name: string): string[] =>
        advise(name, engine).candidates.flatMap(({ quant, verdict }) => (verdict === 'gpu' ? [quant] : []));
      const small = onGpu('nvidia-rtx-4060-8gb');
      expect(small.length).toBeGreaterThan(10);
      for (const larger of [
        'nvidia-rtx-3060-12gb',
        'nvidia-rtx-4080-16gb',
        'nvidia-rtx-4090-24gb',
        'nvidia-rtx-a6000-48gb',
      ]) {
        expect(onGpu(larger)).toEqual(expect.arrayContaining(small));
      }
    },
  );
});
