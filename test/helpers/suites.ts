import { Suite } from '../../src/smoke/schema.ts';

/** One check: the model answers "OK" to "Say OK", as a fake runtime does unless a test changes its answers. */
export const SAYS_OK: Suite = Suite.parse({
  schemaVersion: 1,
  id: 'test',
  title: 'test',
  checks: [
    {
      id: 'says-ok',
      level: 'answers',
      title: 'says OK',
      messages: [{ role: 'user', content: 'Say OK' }],
      judges: [{ kind: 'exactly', text: 'OK' }],
    },
  ],
});
