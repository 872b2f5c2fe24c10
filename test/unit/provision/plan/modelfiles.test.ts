import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { checkModelfiles } from '../../../../src/provision/plan/modelfiles.ts';
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
