import { beforeEach, expect, test } from 'vitest';
import { drive } from '../../../../src/core/progress.ts';
import { openRunOf } from '../../../../src/provision/install/open-run.ts';
import { exitOf } from '../../../../src/provision/maintain/problems.ts';
import { verifyRecords } from '../../../../src/provision/maintain/verify.ts';
import { never } from '../../../helpers/failure.ts';
import { recordOf } from '../../registry/support.ts';
import { installJournal, WHERE, World } from '../maintain/gc-world.ts';

const NAME = 'gemma:q4';
const record = { ...recordOf(NAME), runtime: { ...WHERE, version: '0.24.0' }, stored: {}, parameters: {} };
let world: World;

beforeEach(async () => {
  world = new World();
  world.names.add(NAME);
  await world.record(record);
});

/** The runtime has the name, and tells nothing of it that could differ. */
async function look() {
  let asked = 0;
  const runtime = {
    ...WHERE,
    find: async (name: string) => {
      asked += 1;
      return { name };
    },
  };
  const { registry, nonWaitingLocker: impatient } = world.effects();
  const effects = {
    place: async () => ({ runtime, contents: { refused: 'It is elsewhere.' } }),
    openRun: (of: typeof record) => openRunOf(of, { registry, impatient }, never),
    // biome-ignore lint/correctness/useYield: nothing is hashed here
    hash: async function* (): AsyncGenerator<never, never> {
      throw new Error('there is nothing to read');
    },
  };
  const { results } = await drive(
    verifyRecords({ records: [record], broken: [], quick: false }, effects, never),
    () => {},
  );
  return { result: results[0] ?? expect.fail('there is a result'), exit: exitOf(results), asked };
}

test('without a journal nothing is said of a run', async () => {
  const { result, exit } = await look();
  expect([result.ok, result.problems, exit]).toEqual([true, [], 0]);
});

test('row 22: a run that is at work is not looked at, and nothing is wrong with it', async () => {
  await world.journal(installJournal(NAME), true);
  const { result, exit, asked } = await look();
  expect([result.ok, result.problems, exit, asked]).toEqual([true, [], 0, 0]);
  expect(result.unchecked).toEqual([`Another run is changing ${NAME}; it was not checked.`]);
});

test('row 22: a run that was interrupted is exit 18, with the way out, and the rest is looked at', async () => {
  await world.journal(installJournal(NAME));
  const { result, exit, asked } = await look();
  expect([result.ok, exit, asked]).toEqual([false, 18, 1]);
  expect(result.problems).toMatchObject([
    { kind: 'interrupted', detail: expect.stringMatching(/interrupted; run repair/) },
  ]);
  expect(world.heldLocks.size).toBe(0);
});

test('the run of another name, or of this name elsewhere, is none of this one', async () => {
  await world.journal(installJournal('gemma:q5'));
  await world.journal({ ...installJournal(NAME), runtime: { kind: 'ollama', endpoint: 'http://127.0.0.1:1' } });
  expect((await look()).result.problems).toEqual([]);
});
