import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { realDisk } from '../disk/disk.ts';
import type { Paths } from './paths.ts';
import type { Settings } from './settings-schema.ts';

export type { Settings } from './settings-schema.ts';

/** Throws `bad-configuration` for a file that is not valid; an absent one means no settings. */
export async function readSettings(paths: Paths): Promise<Settings> {
  const file = join(paths.config, 'config.json');
  let text: string;
  try {
    text = await realDisk.readFile(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return {};
    throw error;
  }
  // Most hosts have no such file: only then is there anything to check.
  const [{ parseDocument }, { Settings }] = await Promise.all([
    import('../core/parse.ts'),
    import('./settings-schema.ts'),
  ]);
  const suggestions = [`Fix or remove ${file}.`];
  return parseDocument(
    Settings,
    text,
    { name: file, code: 'bad-configuration', suggestions },
    Object.keys(Settings.shape),
  );
}
