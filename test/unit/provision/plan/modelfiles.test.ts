import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { checkModelfilesIn, openCatalog } from '../../../../src/provision/plan/catalog.ts';
import { ROOT } from '../../../helpers/plans.ts';

const folder = join(ROOT, 'modelfiles');
const paths = { config: join(ROOT, 'no-such-folder'), data: '', cache: '' };

test.each([
  ['absolute', folder],
  ['with a slash at its end', `${folder}/`],
  ['relative', relative(process.cwd(), folder)],
  ['relative with a dot', `./${relative(process.cwd(), folder)}`],
])('the folder of modelfile check may be %s', async (_form, given) => {
  const { checked, differences } = await checkModelfilesIn(await openCatalog(ROOT, paths, []), ROOT, given);
  expect(checked).toBeGreaterThan(100);
  expect(differences).toEqual([]);
});
