import { defineCheck } from '../contract.ts';
import { ok, warning } from '../findings.ts';
import { reasonOf } from '../folder-check.ts';
import { nearestFolder } from '../space.ts';

/** An install only reads it, so that a folder which cannot be written blocks nothing. */
export const configFolder = defineCheck({
  id: 'config-folder',
  title: 'Config folder',
  async run(view) {
    const folder = view.paths.config;
    try {
      const { path, exact } = await nearestFolder(view, folder);
      await view.files.mayWrite(path);
      if (!exact) return ok(`${folder} is not there, so there are no settings of your own.`);
      const names = await view.files.list(path);
      return ok(`${folder}, ${names.includes('config.json') ? 'with' : 'without'} a config.json.`);
    } catch (error) {
      return warning(
        `${folder} cannot be read and written: ${reasonOf(error)}.`,
        `Give the folder to this user if settings are to be changed there: ${folder}`,
      );
    }
  },
});
