import { defineCheck } from '../contract.ts';
import { ownFolder } from '../folder-check.ts';

/** Records and locks are written there; without them no install can run. */
export const dataFolder = defineCheck({
  id: 'data-folder',
  title: 'Data folder',
  run: (view) => ownFolder(view, view.paths.data, ['registry', 'locks', 'embedded']),
});
