/** Command classes with an application context of the test: what reaches stdout, stderr and the exit code. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Catalog } from '../../src/catalog/load.ts';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { loadConfig } from '../../src/cli/main.ts';
import { createOutput } from '../../src/cli/output.ts';
import { safe, safeAnswer } from '../../src/cli/redaction.ts';
import Install from '../../src/commands/install.ts';
import List from '../../src/commands/list.ts';
import type { AppContext } from '../../src/provision/context.ts';
import type { RuntimeFacts } from '../../src/runtimes/contract.ts';
import { makeApp } from '../helpers/app.ts';
import { ROOT } from '../helpers/cli.ts';
import { FakeRuntime } from '../helpers/fake-runtime.ts';

const real = BaseCommand.environment;
let stdout: string;
let stderr: string;
let closed: number;
let home: string;

beforeEach(() => {
  stdout = '';
  stderr = '';
  closed = 0;
  home = mkdtempSync(join(tmpdir(), 'envelope-'));
  const into = (keep: (text: string) => void) =>
    new Writable({
      write(chunk, _encoding, done) {
        keep(String(chunk));
        done();
      },
    });
  const out = into((text) => {
    stdout += text;
  });
  const err = into((text) => {
    stderr += text;
  });
  BaseCommand.environment = {
    ...BaseCommand.environment,
    terminal: () => ({
      out: createOutput(out, safeAnswer),
      err: createOutput(err, safe),
      interactive: false,
      columns: 80,
      color: false,
    }),
  };
});
afterEach(() => {
  BaseCommand.environment = real;
  rmSync(home, { recursive: true });
});

/** A context of which the test replaces some members. */
function give(members: Partial<AppContext>): void {
  const app = makeApp({ home });
  const close = async () => {
    closed += 1;
  };
  Object.assign(app, { close, ...members });
  BaseCommand.environment = { ...BaseCommand.environment, createApp: async () => app };
}

const config = await loadConfig(ROOT, true);

/** A runtime in memory, with what a test says of it. */
function opening(runtime: FakeRuntime, warnings: readonly string[] = []): AppContext['open'] {
  const facts: RuntimeFacts = {
    engine: 'ollama-a2',
    diskFactor: 1,
    warnings,
    refusal: () => undefined,
    quantRefusal: () => undefined,
    projectorRefusal: () => undefined,
    pullRefusal: () => undefined,
  };
  return async () => ({
    runtime,
    identity: await runtime.identify(),
    facts,
    readFolder: async () => ({ contents: { refused: 'in memory' } }),
  });
}

/** The built-in catalog, in which the tiny model needs its licence accepted. */
async function licensedCatalog(): Promise<Catalog> {
  const catalog = await makeApp({ home }).catalog();
  const families = catalog.families.map((each) => ({
    ...each,
    family: { ...each.family, licence: { ...each.family.licence, acceptanceRequired: true } },
  }));
  return { ...catalog, families };
}

test('warnings of long work go into the envelope, progress nowhere', async () => {
  give({ open: opening(new FakeRuntime(), ['the server is old']) });
  await Install.run(['tiny-gemma-3n', '--no-smoke', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, command: 'install', warnings: ['the server is old'] });
  expect([stderr, closed]).toEqual(['', 1]);
});

test('without --json the warning is on stderr', async () => {
  give({ open: opening(new FakeRuntime(), ['the server is old']) });
  await Install.run(['tiny-gemma-3n', '--no-smoke'], config);
  expect(stdout).toContain('tiny-gemma-3n');
  expect(stderr).toMatch(/^! the server is old\n/);
});

test('a licence that is not accepted stops before anything is changed', async () => {
  const runtime = new FakeRuntime();
  give({ open: opening(runtime), catalog: licensedCatalog });
  await Install.run(['tiny-gemma-3n', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'licence-not-accepted', exitCode: 14 } });
  expect([runtime.models.size, process.exitCode, closed]).toEqual([0, 14, 1]);
});

test('a dry run asks for no licence', async () => {
  const runtime = new FakeRuntime();
  give({ open: opening(runtime), catalog: licensedCatalog });
  await Install.run(['tiny-gemma-3n', '--dry-run', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, data: { dryRun: true } });
  expect(runtime.models.size).toBe(0);
});

test('broken records are data, a warning, and exit 18', async () => {
  const folder = join(home, 'data/registry');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'x.json'), 'no JSON');
  give({});
  await List.run(['--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, warnings: [expect.stringContaining('x.json is not JSON')] });
  expect(JSON.parse(stdout)).toMatchObject({ data: { records: [], broken: [{ path: join(folder, 'x.json') }] } });
  expect(process.exitCode).toBe(18);
});

test('a bug of ours says so, with exit 1', async () => {
  give({
    registry: async () => {
      throw new TypeError('oops');
    },
  });
  await List.run([], config);
  expect(stderr).toContain('unexpected error: oops');
  expect(process.exitCode).toBe(1);
});
