import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { matrix } from '../../../src/compat/matrix.ts';
import { CapabilityId, Matrix } from '../../../src/compat/schema.ts';
import { compareNumbers, numbersOf, parseServerVersion } from '../../../src/compat/version.ts';

const rows = matrix();
const STEPS = [
  'engines',
  'diskFactor',
  'defaultContext',
  'defaultParallel',
  'defaultRepeatPenalty',
  'quantizeTypes',
] as const;
const TABLES = [
  'architectures',
  'library',
  'quants',
  'projectors',
  'detectedTemplates',
  'capabilities',
  'options',
  'dangers',
  ...STEPS,
] as const;

function atMost(a: string, b: string): boolean {
  return compareNumbers(numbersOf(a), numbersOf(b)) <= 0;
}

test('the matrix keeps to its schema', () => {
  expect(Matrix.safeParse(rows).error).toBeUndefined();
});

test('knows every capability once', () => {
  expect(rows.capabilities.map(({ id }) => id).sort()).toEqual([...CapabilityId.options].sort());
});

test.each(['architectures', 'library', 'options', 'dangers'] as const)('has no id twice in %s', (part) => {
  const ids = rows[part].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test.each(STEPS)('%s go up in time, from the oldest server on', (part) => {
  const order = rows[part].map(({ since }) => numbersOf(since));
  expect(order.toSorted(compareNumbers)).toEqual(order);
  expect(rows[part][0]?.since).toBe(rows.oldestSupported);
});

test('dangers come newest first, as people read them', () => {
  const order = rows.dangers.map(({ fixedIn }) => numbersOf(fixedIn));
  expect(order.toSorted((a, b) => compareNumbers(b, a))).toEqual(order);
});

test('names an architecture for every row that speaks of one, and never lets a library pull what cannot run', () => {
  const since = new Map(rows.architectures.map((row) => [row.id, row.since]));
  for (const { architecture } of [...rows.quants, ...rows.projectors, ...rows.detectedTemplates])
    expect(since.has(architecture), architecture).toBe(true);
  for (const row of rows.library) expect(atMost(since.get(row.architecture) ?? '99.0.0', row.since), row.id).toBe(true);
});

test('ranges begin before they end, and holes lie inside', () => {
  for (const { id, since, until, except = [] } of rows.capabilities) {
    expect(until === undefined || atMost(since, until), id).toBe(true);
    for (const hole of except) {
      expect(atMost(since, hole.since) && atMost(hole.since, hole.until), id).toBe(true);
      expect(until === undefined || atMost(hole.until, until), id).toBe(true);
    }
  }
  for (const { id, since, until } of rows.options) expect(until === undefined || atMost(since, until), id).toBe(true);
});

test('an ability and a fault say what to do, a change asks for nothing', () => {
  for (const { id, kind, remedy } of rows.capabilities) expect(remedy === undefined, id).toBe(kind === 'change');
});

test('knows nothing newer than the newest it knows, and nothing older than the first release', () => {
  const releases = TABLES.flatMap((table) =>
    rows[table].flatMap((row) => [
      'since' in row ? row.since : undefined,
      'until' in row ? row.until : undefined,
      'fixedIn' in row ? row.fixedIn : undefined,
    ]),
  ).filter((release) => release !== undefined);
  expect(releases.length).toBeGreaterThan(100);
  for (const release of releases) expect(atMost(release, rows.newestKnown), release).toBe(true);
});

test.each(TABLES)('%s: only what third parties say names where it was read', (table) => {
  for (const { verified, origin, evidence } of rows[table])
    expect(origin !== undefined, evidence[0]).toBe(verified === 'third-party');
});

test.each(TABLES)('%s: what was seen names a server that was run', (table) => {
  for (const { verified, evidence } of rows[table]) {
    if (verified !== 'live') continue;
    expect(
      rows.seen.some((version) => evidence.join(' ').includes(version)),
      evidence.join(' '),
    ).toBe(true);
  }
});

test('the servers that were run are versions, oldest first, none newer than the newest known', () => {
  const order = rows.seen.map((version) => parseServerVersion(version).numbers ?? numbersOf('99.0.0'));
  expect(order.toSorted(compareNumbers)).toEqual(order);
  expect(order.every((numbers) => compareNumbers(numbers, numbersOf(rows.newestKnown)) <= 0)).toBe(true);
});

describe('quants', () => {
  const catalog = JSON.parse(readFileSync('catalog/gemma-3n.json', 'utf8')) as {
    models: readonly { quants: readonly { id: string }[] }[];
  };
  const published = new Set(catalog.models.flatMap(({ quants }) => quants.map(({ id }) => id)));

  test.each(rows.engines.map(({ value }) => value))('%s: every published quant has one row a device', (engine) => {
    for (const device of ['cpu', 'gpu'] as const) {
      const listed = rows.quants
        .filter((row) => row.architecture === 'gemma3n' && row.engine === engine && row.device === device)
        .flatMap(({ quants }) => quants);
      expect(listed.toSorted()).toEqual([...published].toSorted());
    }
  });

  test('no report about GPUs passes for something seen, and none about K-quants for a yes', () => {
    for (const row of rows.quants.filter(({ device }) => device === 'gpu')) {
      expect(['third-party', 'inferred']).toContain(row.verified);
      const kQuants = row.quants.some((quant) => /_k(_|$)/.test(quant));
      expect(row.verdict).toBe(kQuants ? 'unknown' : 'loads');
    }
  });
});

test.each([
  ['a pre-release as since', { since: '0.9.3-rc1' }],
  ['no evidence', { evidence: [] }],
  ['an unknown word for its proof', { verified: 'sure' }],
  ['an unknown origin', { origin: 'hearsay' }],
  ['an unknown field', { sense: '0.1.0' }],
])('the schema refuses a row with %s', (_, change) => {
  const architectures = [{ ...rows.architectures[0], ...change }];
  expect(Matrix.safeParse({ ...rows, architectures }).success).toBe(false);
});
