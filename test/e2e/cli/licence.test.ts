/** The question for a licence, on a terminal that `script` makes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, ROOT } from '../../helpers/cli.ts';
import { hasScript, onTerminal } from '../../helpers/tty.ts';

describe.skipIf(!hasScript())('the question for a licence', () => {
  let home: Home;
  let catalog: string;
  beforeAll(() => {
    home = makeHome();
    const family = JSON.parse(readFileSync(join(ROOT, 'catalog/tiny-gemma-3n.json'), 'utf8'));
    family.licence.acceptanceRequired = true;
    catalog = join(home.path, 'licensed.json');
    writeFileSync(catalog, JSON.stringify(family));
  });
  afterAll(() => home.remove());

  function answered(keys: string) {
    const args = ['install', 'tiny-gemma-3n', '--runtime', 'embedded', '--no-smoke', '--catalog', catalog];
    return onTerminal(home, args, { at: '[y/N]', keys });
  }

  test('row 28: Ctrl-C ends it with 130', async () => {
    const { code, screen } = await answered('\u0003');
    expect(code).toBe(130);
    expect(screen).toContain('stopped by SIGINT');
    expect(screen).not.toContain('unexpected');
  });

  test.each([
    ['Enter', '\n'],
    ['maybe', 'maybe\n'],
    ['Ctrl-D', '\u0004'],
  ])('%s is a no: 14', async (_, keys) => {
    const { code, screen } = await answered(keys);
    expect(code).toBe(14);
    expect(screen).toContain('has not been accepted');
  });

  test('y is a yes', async () => {
    expect((await answered('y\n')).code).toBe(0);
  });
});
