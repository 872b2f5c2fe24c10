import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AppContext } from '../../../../src/provision/context.ts';
import { chat } from '../../../../src/provision/maintain/chat.ts';
import { putRecord } from '../../../../src/registry/index.ts';
import { makeApp } from '../../../helpers/app.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { recordOf } from '../../registry/support.ts';

let home: string;
let app: AppContext;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'chat-'));
  app = makeApp({ home });
});
afterEach(async () => {
  await app.close();
  await rm(home, { recursive: true, force: true });
});

const ask = async (name: string) => {
  const answer = await chat(app, name, 'Hello', { runtime: 'embedded' });
  return failureOf(answer.next());
};

describe('row 25: a chat with a model that its runtime does not have', () => {
  test('one that this tool installed is to be repaired', async () => {
    const runtime = { kind: 'embedded', version: '1', endpoint: 'embedded' } as const;
    await putRecord(await app.registry(), recordOf('gone:q4', { runtime }));
    expect(await ask('gone:q4')).toMatchObject({
      code: 'needs-repair',
      exitCode: 18,
      suggestions: ['Repair it: gemma-provision repair gone:q4'],
    });
  });

  test('any other is not installed', async () => {
    expect(await ask('never:q4')).toMatchObject({ code: 'model-not-found', exitCode: 3 });
  });
});
