import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/core/digest.ts';
import { findAcceptance, hasAccepted, recordAcceptance } from '../../../src/registry/index.ts';
import type { Acceptance } from '../../../src/registry/schema.ts';
import { DIGEST, memoryRegistry } from './support.ts';

const file = join('/data', 'acceptances.json');
const acceptance: Acceptance = {
  licence: 'LicenseRef-Gemma',
  textDigest: DIGEST,
  acceptedAt: '2026-08-30T10:00:00.000Z',
  how: 'flag',
  user: 'anna',
};
const other: Digest = `sha256:${'b'.repeat(64)}`;

describe('acceptances', () => {
  test('are found by licence and text', async () => {
    const registry = memoryRegistry();
    expect(await hasAccepted(registry, acceptance)).toBe(false);
    await recordAcceptance(registry, acceptance);
    expect(await hasAccepted(registry, acceptance)).toBe(true);
    expect(await hasAccepted(registry, { ...acceptance, textDigest: other })).toBe(false);
    expect(await hasAccepted(registry, { ...acceptance, licence: 'MIT' })).toBe(false);
  });

  test('the first acceptance of a text stays, others are added', async () => {
    const registry = memoryRegistry();
    await recordAcceptance(registry, acceptance);
    await recordAcceptance(registry, { ...acceptance, user: 'ben' });
    await recordAcceptance(registry, { ...acceptance, textDigest: other });
    expect((await findAcceptance(registry, acceptance))?.user).toBe('anna');
    expect(JSON.parse(registry.texts.get(file) ?? '').acceptances).toHaveLength(2);
  });

  test.each(['{', '[]', '{"schemaVersion":1}', '{"schemaVersion":2,"acceptances":[]}'])(
    'a broken file %j is never taken for consent, nor overwritten',
    async (text) => {
      const registry = memoryRegistry();
      registry.write(file, text);
      const refusal = { code: 'bad-record', message: expect.stringContaining(file) };
      await expect(hasAccepted(registry, acceptance)).rejects.toMatchObject(refusal);
      await expect(recordAcceptance(registry, acceptance)).rejects.toMatchObject(refusal);
      expect(registry.texts.get(file)).toBe(text);
    },
  );
});
