/** Command classes with services of the test: what reaches stdout, stderr and the exit code. */
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/cli/main.ts';
import type { Services } from '../../src/cli/wire.ts';
import { wiring } from '../../src/cli/wiring.ts';
import Install from '../../src/commands/install.ts';
import List from '../../src/commands/list.ts';
import { ProvisionError } from '../../src/core/errors.ts';
import { planReport } from '../../src/provision/install/report.ts';
import { ROOT } from '../helpers/cli.ts';
import { tinyPlan } from '../helpers/plans.ts';

const real = { ...wiring };
let stdout: string;
let stderr: string;
let closed: number;

beforeEach(() => {
  stdout = '';
  stderr = '';
  closed = 0;
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
  wiring.terminal = () => ({ stdout: out, stderr: err, interactive: false, columns: 80, color: false });
});
afterEach(() => Object.assign(wiring, real));

/** Only what a test needs of the services; anything else is a TypeError of the test. */
function give(services: Partial<Services>): void {
  const close = async () => {
    closed += 1;
  };
  wiring.services = async () => ({ settings: {}, close, pinned: async () => undefined, ...services }) as Services;
}

const config = await loadConfig(ROOT, true);
const plan = tinyPlan();

function provisioning(install: Awaited<ReturnType<Services['provisioning']>>['install']): Services['provisioning'] {
  const { runtime } = plan;
  return async () => ({ runtime, plan: async () => plan, planAgain: async () => plan, dryRun: planReport, install });
}

test('warnings of long work go into the envelope, progress nowhere', async () => {
  give({
    provisioning: provisioning(async function* () {
      yield { type: 'phase', id: 'store', title: 'Create', status: 'started' };
      yield { type: 'warning', message: 'the server is old' };
      return { ...planReport(plan), dryRun: false };
    }),
    acceptLicence: async () => undefined,
  });
  await Install.run(['tiny-gemma-3n', '--no-smoke', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, command: 'install', warnings: ['the server is old'] });
  expect([stderr, closed]).toEqual(['', 1]);
});

test('without --json the warning is on stderr', async () => {
  give({
    provisioning: provisioning(async function* () {
      yield { type: 'warning', message: 'the server is old' };
      return planReport(plan);
    }),
    acceptLicence: async () => undefined,
  });
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await Install.run(['tiny-gemma-3n', '--no-smoke'], config);
  expect(log).toHaveBeenCalledOnce();
  log.mockRestore();
  expect(stderr).toBe('! the server is old\n');
});

test('a licence that is not accepted stops before anything is changed', async () => {
  let installed = false;
  give({
    provisioning: provisioning(async function* () {
      installed = true;
      yield { type: 'warning', message: 'never' };
      return planReport(plan);
    }),
    acceptLicence: async () => {
      throw new ProvisionError('licence-not-accepted', 'not accepted');
    },
  });
  await Install.run(['tiny-gemma-3n', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'licence-not-accepted', exitCode: 14 } });
  expect([installed, process.exitCode, closed]).toEqual([false, 14, 1]);
});

test('a dry run asks for no licence', async () => {
  give({
    provisioning: provisioning(() => {
      throw new Error('not in a dry run');
    }),
    acceptLicence: async () => {
      throw new Error('not in a dry run');
    },
  });
  await Install.run(['tiny-gemma-3n', '--dry-run', '--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, data: { dryRun: true } });
});

test('broken records are data, a warning, and exit 18', async () => {
  give({ allRecords: async () => ({ records: [], broken: [{ path: '/x.json', message: '/x.json is not JSON' }] }) });
  await List.run(['--json'], config);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, warnings: ['/x.json is not JSON'], data: { records: [] } });
  expect(process.exitCode).toBe(18);
});

test('a bug of ours says so, with exit 1', async () => {
  give({
    allRecords: async () => {
      throw new TypeError('oops');
    },
  });
  await List.run([], config);
  expect(stderr).toContain('unexpected error: oops');
  expect(process.exitCode).toBe(1);
});
