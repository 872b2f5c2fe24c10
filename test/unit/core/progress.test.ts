import { expect, test } from 'vitest';
import { drive, type Work } from '../../../src/core/progress.ts';

test('a renderer that throws does not leave the work without its clean-up', async () => {
  let cleaned = false;
  async function* work(): Work<number> {
    try {
      yield { type: 'warning', message: 'x' };
      return 1;
    } finally {
      cleaned = true;
    }
  }
  const broken = drive(work(), () => {
    throw new Error('renderer');
  });
  await expect(broken).rejects.toThrow('renderer');
  expect(cleaned).toBe(true);
  expect(await drive(work(), () => undefined)).toBe(1);
});
