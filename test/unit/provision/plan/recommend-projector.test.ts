import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GIB } from '../../../../src/core/units.ts';
import type { InstallRequest } from '../../../../src/provision/plan/contract.ts';
import { recommendFor } from '../../../../src/provision/plan/recommend.ts';
import { makeApp } from '../../../helpers/app.ts';
import { ROOT } from '../../../helpers/plans.ts';

const BYTES = 851_226_048 + GIB;

async function advise(profile: string, request: Partial<InstallRequest> = {}, version = '0.33.0') {
  const file = join(ROOT, `test/fixtures/profiles/${profile}.json`);
  const asked = { model: 'gemma-3-4b', settings: {}, force: false, ...request };
  return (await recommendFor(makeApp(), asked, { profile: file, 'server-version': version })).data;
}

test('with room, the projector is said to change nothing, and the ranking is that of the text model', async () => {
  const found = await advise('nvidia-rtx-4090-24gb');
  expect(found.projector).toMatchObject({ id: 'f16', bytes: BYTES, counted: false });
  expect(found.projector?.sentence).toContain('the quant stays the same');
  const off = await advise('nvidia-rtx-4090-24gb', { vision: 'off' });
  expect(off.projector).toBeUndefined();
  expect(off.choice).toEqual(found.choice);
});

test('--vision on counts it in every quant', async () => {
  const [on, off] = [await advise('nvidia-rtx-4090-24gb', { vision: 'on' }), await advise('nvidia-rtx-4090-24gb')];
  expect(on.projector?.counted).toBe(true);
  for (const candidate of on.candidates) {
    const plain = off.candidates.find(({ quant }) => quant === candidate.quant);
    expect(candidate.memory.projectorBytes).toBe(BYTES);
    expect(candidate.memory.totalBytes - (plain?.memory.totalBytes ?? 0)).toBe(BYTES);
  }
});

test('an older server: text only, with the reason; on demand an error', async () => {
  const found = await advise('nvidia-rtx-4090-24gb', {}, '0.24.0');
  expect(found.projector?.sentence).toContain('Text only: Ollama 0.24.0 is older than 0.30.0');
  const demanded = advise('nvidia-rtx-4090-24gb', { vision: 'on' }, '0.24.0');
  await expect(demanded).rejects.toMatchObject({ code: 'runtime-too-old' });
});

test('a model of text alone says nothing, and is refused on demand', async () => {
  expect((await advise('nvidia-rtx-4090-24gb', { model: 'gemma-3n-e4b' })).projector).toBeUndefined();
  const demanded = advise('nvidia-rtx-4090-24gb', { model: 'gemma-3-1b', vision: 'on' });
  const message = 'gemma-3-1b cannot take pictures: it takes text only';
  await expect(demanded).rejects.toMatchObject({ code: 'bad-usage', message });
});

test('where the projector changes the choice, the sentence tells the choice of --vision on', async () => {
  const profile = 'nvidia-gtx-1650-4gb';
  const [auto, on] = [await advise(profile), await advise(profile, { vision: 'on' })];
  const place = { gpu: 'entirely on the GPU', partial: 'partly on the GPU', cpu: 'on the CPU', no: 'nowhere' };
  const { quant, verdict } = on.choice ?? { quant: '', verdict: 'cpu' };
  expect(auto.projector?.sentence).toMatch(/^For pictures, --vision on adds the projector f16: \S+ GiB of memory, /);
  expect(auto.projector?.sentence).toContain(`with which ${quant} runs ${place[verdict]}.`);
});

test('where no quant runs, nothing is said of pictures', async () => {
  const found = await advise('raspberry-pi-5-4gb', { model: 'gemma-3-27b' });
  expect([found.choice, found.projector]).toEqual([undefined, undefined]);
});
