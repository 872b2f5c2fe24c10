import { describe, expect, test } from 'vitest';
import { recommendationText } from '../../../src/cli/render/recommend.ts';
import type { RecommendRequest } from '../../../src/fit/choice/recommend.ts';
import { host, nvidia, SETTINGS } from '../fit/support.ts';
import { dataFor } from '../report/support.ts';

function text(profile = host({ gpus: [nvidia(8, 7.2, 'RTX 4060')] }), change: Partial<RecommendRequest> = {}): string {
  return recommendationText(dataFor(profile, change), { color: false });
}

describe('a recommendation as text', () => {
  test('the choice is marked in the ranking, explained, and comes with its parameters', () => {
    const lines = text().split('\n');
    expect(lines[0]).toContain(
      'gemma-3n-e4b at 8192 tokens of context, batch 512, tier: consumer-gpu, wanted: 5.0 tok/s',
    );
    expect(lines.filter((line) => line.startsWith('→'))).toEqual([
      expect.stringMatching(/^→ {2}q8_0 +★★★★★ +GPU +\d+–\d+ /),
    ]);
    expect(lines).toContain(
      'Choice: gemma-3n-e4b:q8_0 (GPU), with num_ctx 8192, num_batch 512 (policy best; policy card would choose q4_k_m)',
    );
    expect(text(undefined, { policy: 'card' })).toContain(
      'Choice: gemma-3n-e4b:q4_k_m (GPU), with num_ctx 8192, num_batch 512 (policy card; policy best would choose q8_0)',
    );
  });

  test('what would change it, and the table where it was asked for', () => {
    const profile = host({ ram: 64, gpus: [nvidia(4, 3.6)] });
    expect(text(profile)).toMatch(/What would change the result:\n {2}- With \d+\.\d MiB more free VRAM/);
    expect(text(profile)).not.toContain('KV cache q8_0');
    expect(text(profile, { table: true })).toMatch(/KV cache q8_0\nQUANT +2048 +4096 +8192 +16384 +32768\n/);
  });

  test('nothing fits, nothing to judge, and no number that is none', () => {
    expect(text(host({ ram: 4, free: 3.2 }))).toMatch(/No quant of gemma-3n-e4b runs here\.\n {2}Too large for RAM/);
    expect(text(undefined, { quants: [] })).toContain('There are no quants to rank.');
    for (const settings of [SETTINGS, { ...SETTINGS, contextLength: 1, batch: 1 }]) {
      expect(text(undefined, { settings, table: true })).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});
