import { describe, expect, test } from 'vitest';
import { refreshText } from '../../../src/cli/render/refresh.ts';

const gone = (quant: string) => ({
  kind: 'vanished' as const,
  usedBy: [`sample-1b:${quant}`],
  before: { ref: `hf:acme/gone@main/${quant}.gguf` },
  why: 'there is no repository acme/gone',
});
const data = { dryRun: false, repositories: 1, sources: 1, unchanged: 0, changes: [], files: [] };

describe('the text of catalog refresh', () => {
  test('sources that vanished for one reason are one block', () => {
    const other = { ...gone('f16'), why: 'acme/other has no f16.gguf' };
    const changes = [gone('q8_0'), other, gone('q4_0')];
    expect(refreshText({ ...data, repositories: 2, sources: 3, changes }).split('\n')).toEqual([
      '2 sources have vanished',
      '  there is no repository acme/gone',
      '  sample-1b:q8_0  hf:acme/gone@main/q8_0.gguf',
      '  sample-1b:q4_0  hf:acme/gone@main/q4_0.gguf',
      'sample-1b:f16: has vanished',
      '  old  hf:acme/gone@main/f16.gguf',
      '  acme/other has no f16.gguf',
      'Nothing to write.',
      '3 sources in 2 repositories: 0 unchanged, 3 vanished.',
    ]);
  });

  test('one source in one repository', () => {
    expect(refreshText({ ...data, unchanged: 1 })).toContain('1 source in 1 repository: 1 unchanged.');
  });
});
