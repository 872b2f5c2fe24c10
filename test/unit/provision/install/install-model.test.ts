import { expect, test } from 'vitest';
import { type InstallFlags, installModel } from '../../../../src/provision/install/install-model.ts';
import { makeApp } from '../../../helpers/app.ts';
import { failureOf } from '../../../helpers/failure.ts';

const UNREACHABLE: InstallFlags = { runtime: 'ollama', host: 'http://127.0.0.1:1' };

function firstStep(from: string): Promise<unknown> {
  const request = { model: 'tiny-gemma-3n', from, settings: {}, force: false };
  const consent = { accepted: true, confirm: () => Promise.resolve(true) };
  return installModel(makeApp(), request, UNREACHABLE, consent).next();
}

test.each(['s3://bucket/model.gguf', ' '])('the reference %j is reported before the server is opened', async (from) => {
  expect(await failureOf(firstStep(from))).toMatchObject({ code: 'bad-usage' });
});

test('a reference of a known form does not hide that the server is unreachable', async () => {
  expect(await failureOf(firstStep('./model.gguf'))).toMatchObject({ code: 'runtime-unreachable' });
});
