import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Check, defineCheck, merged, ok, problem, skipped, warning } from '../../../src/doctor/check.ts';
import { CHECKS } from '../../../src/doctor/checks/all.ts';
import { runDoctor } from '../../../src/doctor/run.ts';
import { DoctorReport } from '../../../src/doctor/schema.ts';
import { never } from '../../helpers/failure.ts';
import { fakeEffects, hang } from './fakes.ts';

const fine = defineCheck({ id: 'fine', title: 'Fine', run: async () => ok('Well.') });
const broken = defineCheck({
  id: 'broken',
  title: 'Broken',
  run: async () => {
    throw new Error('no idea');
  },
});
const slow = defineCheck({ id: 'slow', title: 'Slow', run: hang });

function byId(a: Check, b: Check): number {
  return a.id < b.id ? -1 : 1;
}

describe('the run', () => {
  test('on a host in order, everything is ok and nothing is skipped', async () => {
    const report = DoctorReport.parse(await runDoctor(fakeEffects(), never));
    expect(report.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(report.checks.map(({ id }) => id)).toEqual(CHECKS.map(({ id }) => id));
  });

  test('every check that a file of checks/ exports is in the list, once', async () => {
    const themes = readdirSync('src/doctor/checks').map((name) => name.replace(/\.ts$/, ''));
    const modules = await Promise.all(
      themes.filter((name) => name !== 'all').map((name) => import(`../../../src/doctor/checks/${name}.ts`)),
    );
    const exported = modules.flatMap((module) => Object.values(module));
    expect(exported.length).toBeGreaterThan(20);
    expect([...CHECKS].sort(byId)).toEqual((exported as Check[]).sort(byId));
  });

  test('a check that throws or hangs affects only itself, and the order stays', async () => {
    const { checks } = await runDoctor(fakeEffects(), never, { checks: [slow, broken, fine], limitMs: 30 });
    expect(checks).toMatchObject([
      { id: 'slow', status: 'warning', detail: 'No answer within 30 ms.' },
      { id: 'broken', status: 'warning', detail: 'Could not be checked: no idea' },
      { id: 'fine', status: 'ok' },
    ]);
  });

  test('its signal aborts a check that is late, and everything else when the report is ready', async () => {
    const aborted: string[] = [];
    const watched = (id: string, run: () => Promise<ReturnType<typeof ok>>) =>
      defineCheck({
        id,
        title: id,
        run(_view, signal) {
          signal.addEventListener('abort', () => aborted.push(id));
          return run();
        },
      });
    const checks = [watched('late', hang), watched('ready', async () => ok('Well.'))];
    await runDoctor(fakeEffects(), never, { checks, limitMs: 30 });
    expect(aborted).toEqual(['late', 'ready']);
  });

  test('an interruption ends it with its reason', async () => {
    const stop = new AbortController();
    const run = runDoctor(fakeEffects(), stop.signal, { checks: [slow] });
    stop.abort(new Error('Ctrl-C'));
    await expect(run).rejects.toThrow('Ctrl-C');
  });

  test('questions that several checks share are asked once', async () => {
    let asked = 0;
    const effects = fakeEffects();
    const { get } = effects;
    await runDoctor(
      {
        ...effects,
        get: (url, options) => {
          if (url.endsWith('/api/ps')) asked += 1;
          return get(url, options);
        },
      },
      never,
    );
    expect(asked).toBe(1);
  });
});

test('merged: the worst status, its words first, each remedy once', () => {
  expect(
    merged([ok('A.'), warning('B.', 'do b'), problem('C.', 'do c'), warning('D.', 'do b'), skipped('E.')]),
  ).toEqual({
    status: 'problem',
    detail: 'C. B. D. A. E.',
    remedy: 'do c\ndo b',
  });
  expect(merged([skipped('A.'), ok('B.')])).toEqual({ status: 'ok', detail: 'B. A.' });
});
