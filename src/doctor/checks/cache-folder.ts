import { defineCheck } from '../contract.ts';
import { ownFolder } from '../folder-check.ts';

/** Digests of files are remembered there, so that a second run need not read them again. */
export const cacheFolder = defineCheck({
  id: 'cache-folder',
  title: 'Cache folder',
  run: (view) => ownFolder(view, view.paths.cache),
});
