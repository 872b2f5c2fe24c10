import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/core/digest.ts';
import type { BaselineRun } from '../../../src/registry/index.ts';
import { baselineRunOf, compareRuns, dropBaselines, findBaseline, keepBaseline } from '../../../src/registry/index.ts';
import type { CheckResult, SmokeResult, Suite } from '../../../src/smoke/schema.ts';
import { DIGEST, memoryRegistry } from './support.ts';

const RUNTIME = { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' } as const;
const KEY = { name: 'gemma:q4', runtime: RUNTIME };
const OTHER_DIGEST: Digest = `sha256:${'b'.repeat(64)}`;

function suiteOf(id: string, title = 'Suite'): Suite {
  const check = {
    id: 'a',
    level: 'loads',
    title: 'A',
    messages: [{ role: 'user', content: 'Hi' }],
    judges: [],
  } as const;
  return { schemaVersion: 1, id, title, checks: [{ ...check, messages: [...check.messages], judges: [] }] };
}

function resultOf(suite: string, changes: Partial<CheckResult> = {}, failed = 0): SmokeResult {
  const check = { id: 'a', level: 'loads', passed: true, advisory: false, detail: '', answer: 'hello', ms: 1 } as const;
  return { suite, passed: 1, failed, skipped: 0, checks: [{ ...check, ...changes }] };
}

function runOf(
  changes: Partial<BaselineRun> = {},
  suite = suiteOf('gemma'),
  at = '2026-11-01T10:00:00.000Z',
): BaselineRun {
  const stored = { layerDigest: `sha256:${'a'.repeat(64)}`, entryDigest: `sha256:${'c'.repeat(64)}` } as const;
  const around = { runtime: RUNTIME, stored, toolVersion: '0.1.0', at: new Date(at) };
  return { ...baselineRunOf(suite, resultOf(suite.id), around), ...changes };
}

/** The file of the only model in the registry. */
function fileIn({ texts }: { readonly texts: ReadonlyMap<string, string> }): { path: string; text: string } {
  const [[path, text] = ['', '']] = texts;
  expect(texts.size).toBe(1);
  return { path, text };
}

describe('baselines', () => {
  test('a run is found again by model and suite', async () => {
    const registry = memoryRegistry();
    expect(await findBaseline(registry, KEY, 'gemma')).toEqual({});
    const path = await keepBaseline(registry, KEY, runOf());
    expect(path).toBe(fileIn(registry).path);
    expect(path).toMatch(/^[/\\]data[/\\]baselines[/\\]gemma-q4-[0-9a-f]{10}\.json$/);
    expect(await findBaseline(registry, KEY, 'gemma')).toEqual({ run: runOf() });
    expect(await findBaseline(registry, KEY, 'base')).toEqual({});
    expect(await findBaseline(registry, { ...KEY, name: 'gemma:q8' }, 'gemma')).toEqual({});
    const elsewhere = { ...RUNTIME, endpoint: 'http://10.0.0.1:11434' };
    expect(await findBaseline(registry, { ...KEY, runtime: elsewhere }, 'gemma')).toEqual({});
  });

  test('names of one model, and versions of one runtime, share it', async () => {
    const registry = memoryRegistry();
    await keepBaseline(registry, { name: 'Gemma:latest', runtime: RUNTIME }, runOf());
    const newer = { ...RUNTIME, version: '0.33.0' };
    expect((await findBaseline(registry, { name: 'gemma', runtime: newer }, 'gemma')).run).toEqual(runOf());
  });

  test('a later run replaces the earlier one of its suite and leaves the others', async () => {
    const registry = memoryRegistry();
    await keepBaseline(registry, KEY, runOf());
    await keepBaseline(registry, KEY, runOf({}, suiteOf('gemma-deep')));
    const later = runOf({ toolVersion: '0.2.0' }, suiteOf('gemma'), '2026-11-02T10:00:00.000Z');
    await keepBaseline(registry, KEY, later);
    expect((await findBaseline(registry, KEY, 'gemma')).run).toEqual(later);
    expect((await findBaseline(registry, KEY, 'gemma-deep')).run?.suite.id).toBe('gemma-deep');
  });

  test('a run with a failed check is no baseline', async () => {
    const registry = memoryRegistry();
    await keepBaseline(registry, KEY, runOf());
    const failed = runOf({ result: resultOf('gemma', { passed: false }, 1) });
    expect(await keepBaseline(registry, KEY, failed)).toBeUndefined();
    expect((await findBaseline(registry, KEY, 'gemma')).run).toEqual(runOf());
  });

  test('remembers eight suites of a model, and two thousand characters of an answer', async () => {
    const registry = memoryRegistry();
    for (let day = 1; day <= 10; day += 1) {
      const suite = suiteOf(`suite-${day}`);
      const run = runOf({}, suite, `2026-11-${String(day).padStart(2, '0')}T10:00:00.000Z`);
      await keepBaseline(registry, KEY, { ...run, result: resultOf(suite.id, { answer: 'x'.repeat(5000) }) });
    }
    expect(await findBaseline(registry, KEY, 'suite-2')).toEqual({});
    const kept = await findBaseline(registry, KEY, 'suite-3');
    expect(kept.run?.result.checks[0]?.answer).toBe('x'.repeat(2000));
    expect(Buffer.byteLength(fileIn(registry).text)).toBeLessThan(32_000);
  });

  test('the run that is kept stays, even when the clock went back', async () => {
    const registry = memoryRegistry();
    for (let day = 1; day <= 8; day += 1)
      await keepBaseline(registry, KEY, runOf({}, suiteOf(`suite-${day}`), `2027-01-0${day}T10:00:00.000Z`));
    await keepBaseline(registry, KEY, runOf());
    expect((await findBaseline(registry, KEY, 'gemma')).run).toEqual(runOf());
  });

  test('are forgotten with their model', async () => {
    const registry = memoryRegistry();
    expect(await dropBaselines(registry, KEY)).toBe(false);
    await keepBaseline(registry, KEY, runOf());
    expect(await dropBaselines(registry, KEY)).toBe(true);
    expect(registry.texts.size).toBe(0);
  });
});

describe('a baseline file that cannot be used', () => {
  const GOOD = { schemaVersion: 1, name: KEY.name, runtime: { kind: 'ollama', endpoint: RUNTIME.endpoint }, runs: [] };

  async function registryWith(text: string) {
    const registry = memoryRegistry();
    await keepBaseline(registry, KEY, runOf());
    registry.write(fileIn(registry).path, text);
    return registry;
  }

  test.each<[string, string, string]>([
    ['empty', '', 'not JSON'],
    ['half', '{"schemaVersion": 1, "na', 'not JSON'],
    ['of another kind', '[]', 'is not valid'],
    ['without runs', JSON.stringify({ ...GOOD, runs: undefined }), 'runs'],
    ['with a mistyped field', JSON.stringify({ ...GOOD, run: [] }), 'did you mean runs?'],
    ['with a broken run', JSON.stringify({ ...GOOD, runs: [{ ...runOf(), at: 'yesterday' }] }), 'runs[0].at'],
    ['of another model', JSON.stringify({ ...GOOD, name: 'llama' }), 'contains the baselines of llama'],
  ])('%s: is told, stops nothing, and is replaced', async (_, text, part) => {
    const registry = await registryWith(text);
    const { path } = fileIn(registry);
    const { run, problem } = await findBaseline(registry, KEY, 'gemma');
    expect(run).toBeUndefined();
    expect(problem).toMatchObject({ code: 'bad-record', message: expect.stringContaining(part) });
    expect(problem?.message).toContain(path);
    expect(problem?.suggestions.join(' ')).toContain(path);
    expect(fileIn(registry).text).toBe(text);
    await keepBaseline(registry, KEY, runOf());
    expect(await findBaseline(registry, KEY, 'gemma')).toEqual({ run: runOf() });
  });

  test('of a newer version of this tool: is told, and never overwritten', async () => {
    const text = JSON.stringify({ ...GOOD, schemaVersion: 2 });
    const registry = await registryWith(text);
    const { problem } = await findBaseline(registry, KEY, 'gemma');
    expect(problem).toMatchObject({ code: 'bad-record', message: expect.stringContaining('newer version') });
    await expect(keepBaseline(registry, KEY, runOf())).rejects.toMatchObject({ code: 'bad-record' });
    expect(fileIn(registry).text).toBe(text);
  });

  test('not readable: is told', async () => {
    const registry = memoryRegistry();
    const disk = { ...registry.disk, readText: () => Promise.reject(new Error('EACCES: permission denied')) };
    const { problem } = await findBaseline({ ...registry, disk }, KEY, 'gemma');
    expect(problem).toMatchObject({ code: 'bad-record', message: expect.stringContaining('EACCES') });
    expect(problem?.suggestions.join(' ')).toContain('Check who may read');
  });
});

describe('two runs compared', () => {
  const other = resultOf('gemma', { answer: 'good day' });

  test('say what got worse and since when', () => {
    expect(compareRuns(runOf(), runOf())).toEqual({ at: runOf().at, changes: [], regressions: [] });
    const { regressions } = compareRuns(runOf({ result: other }), runOf());
    expect(regressions).toMatchObject([{ kind: 'answer-changed', check: 'a' }]);
  });

  test.each<[string, Partial<BaselineRun>, string[]]>([
    ['the server', { runtime: { ...RUNTIME, version: '0.33.0' } }, ['ollama 0.24.0 became 0.33.0']],
    ['this tool', { toolVersion: '0.2.0' }, ['gemma-provision 0.1.0 became 0.2.0']],
    [
      'the template',
      { stored: { layerDigest: DIGEST, entryDigest: OTHER_DIGEST } },
      ["the model's template or parameters changed"],
    ],
  ])('name %s as what changed, and other answers all the same', (_, changes, told) => {
    const report = compareRuns(runOf({ ...changes, result: other }), runOf());
    expect(report.changes).toEqual(told);
    expect(report.regressions).toMatchObject([{ kind: 'answer-changed' }]);
  });

  test.each<[string, BaselineRun, string]>([
    ['file', runOf({ stored: { layerDigest: OTHER_DIGEST } }), "the model's file changed"],
    ['suite', runOf({}, suiteOf('gemma', 'Edited')), 'the suite gemma changed'],
  ])('another %s gets other answers, which are not listed', (_, now, told) => {
    const report = compareRuns({ ...now, result: other }, runOf());
    expect(report).toMatchObject({ changes: [told], regressions: [] });
    const failed = resultOf('gemma', { passed: false, detail: 'silent' }, 1);
    expect(compareRuns({ ...now, result: failed }, runOf()).regressions).toMatchObject([{ kind: 'failed' }]);
  });
});
