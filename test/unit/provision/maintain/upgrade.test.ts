import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/load.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { moveRequest, upgradeRequest } from '../../../../src/provision/maintain/upgrade.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { ROOT, tinyPlan } from '../../../helpers/plans.ts';

let catalog: Catalog;
beforeAll(async () => {
  const nowhere = join(ROOT, 'no-such-folder');
  catalog = await openCatalog(ROOT, { config: nowhere, data: nowhere, cache: nowhere }, []);
});

function record(changes: Partial<InstallRecord> = {}): InstallRecord {
  const made = recordOf({
    plan: tinyPlan({ name: 'assistant', useCase: 'chatbot', policy: 'card', automatic: true }),
    promoted: { name: 'assistant' },
    tested: {},
    effects: { now: () => new Date(0), toolVersion: '1.0.0' },
  });
  return { ...made, ...changes };
}

describe('upgrade --to', () => {
  test('keeps name, use, policy and context length; quant, sampling and chat template are of the new model', () => {
    expect(moveRequest(record(), 'gemma-4-e4b', catalog)).toEqual({
      name: 'assistant',
      model: 'gemma-4-e4b',
      useCase: 'chatbot',
      policy: 'card',
      quantOrigin: { automatic: true, reason: expect.stringContaining('assistant was tiny-gemma-3n:q4_k_m') },
      settings: { contextLength: 512 },
      force: false,
    });
  });

  test('a quant that is named was not chosen by this tool', () => {
    expect(moveRequest(record(), 'gemma-3n-e2b:Q5-K-M', catalog)).toMatchObject({
      model: 'gemma-3n-e2b',
      quant: 'q5_k_m',
      quantOrigin: { automatic: false, reason: expect.stringContaining('upgrade --to gemma-3n-e2b:Q5-K-M') },
    });
  });

  test('without a recorded context length none is asked for', () => {
    expect(moveRequest(record({ parameters: {} }), 'gemma-4-e4b', catalog).settings).toEqual({});
  });

  test('a model or quant that the catalog does not have is refused with the nearest', () => {
    expect(() => moveRequest(record(), 'gemma-4-e4', catalog)).toThrow(
      expect.objectContaining({
        code: 'model-not-found',
        suggestions: expect.arrayContaining(['Did you mean gemma-4-e4b?']),
      }),
    );
    expect(() => moveRequest(record(), 'gemma-4-e4b:q9', catalog)).toThrow(
      expect.objectContaining({ code: 'quant-not-found' }),
    );
  });
});

describe('upgrade of a model that the catalog does not have', () => {
  test('asks for exactly the model on record, by its file', () => {
    const request = upgradeRequest(record({ model: 'my-tiny' }), catalog);
    expect(request).toMatchObject({ family: 'tiny-gemma-3n', expectedModel: 'my-tiny' });
    expect(request.model).toBeUndefined();
  });

  test('a model that a header described stays so', () => {
    const request = upgradeRequest(record({ family: 'unlisted-llama', model: 'some-llama' }), catalog);
    expect(request).toMatchObject({ family: 'unlisted-llama', expectedModel: 'some-llama' });
  });

  test('of a rebuilt record the family alone is known', () => {
    const rebuilt = { at: new Date(0).toISOString(), proven: true };
    const request = upgradeRequest(record({ model: 'gemma-3n', rebuilt }), catalog);
    expect(request.expectedModel).toBeUndefined();
  });

  test('a family of a catalog that was not passed is named with the way to pass it', () => {
    expect(() => upgradeRequest(record({ family: 'mine', model: 'my-tiny' }), catalog)).toThrow(
      expect.objectContaining({
        code: 'model-not-found',
        message: expect.stringContaining('my-tiny'),
        suggestions: expect.arrayContaining([expect.stringContaining('--catalog FILE')]),
      }),
    );
  });
});
