import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { checkModelfiles, renderModelfileFor } from '../../../../src/provision/plan/modelfiles.ts';
import { makeApp } from '../../../helpers/app.ts';
import { ROOT } from '../../../helpers/plans.ts';

const folder = join(ROOT, 'modelfiles');

test.each([
  ['absolute', folder],
  ['with a slash at its end', `${folder}/`],
  ['relative', relative(process.cwd(), folder)],
  ['relative with a dot', `./${relative(process.cwd(), folder)}`],
])('the folder of modelfile check may be %s', async (_form, given) => {
  const { checked, differences } = await checkModelfiles(makeApp(), given);
  expect(checked).toBeGreaterThan(100);
  expect(differences).toEqual([]);
});

test('--vision on names the projector in a second FROM; a model of text alone has none', async () => {
  const seeing = await renderModelfileFor(makeApp(), 'gemma-3-4b:q4_k_m', { vision: 'on' });
  const from = seeing.modelfile.split('\n').filter((line) => line.startsWith('FROM '));
  expect(from).toEqual([expect.stringMatching(/^FROM \.\/gemma-3-4b/), 'FROM ./mmproj-model-f16.gguf']);
  const plain = await renderModelfileFor(makeApp(), 'gemma-3-4b:q4_k_m', {});
  expect(plain.modelfile).not.toContain('mmproj');
  const blind = renderModelfileFor(makeApp(), 'gemma-3-1b:q4_k_m', { vision: 'on' });
  await expect(blind).rejects.toMatchObject({ code: 'bad-usage', message: expect.stringContaining('no projector') });
});
