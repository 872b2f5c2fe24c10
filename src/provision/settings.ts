import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf } from '../core/errors.ts';
import { parseDocument } from '../core/parse.ts';
import { realDisk } from '../disk/disk.ts';
import { ChoicePolicy } from '../fit/schema.ts';
import { RuntimeKind } from '../runtimes/contract.ts';
import { Mirrors } from '../sources/mirrors/mapping.ts';
import type { Paths } from './paths.ts';

/** `config.json` in the config folder: defaults for flags of the same name. Flags win over the environment, which wins over this file. */
export const Settings = z.strictObject({
  $schema: z.string().optional(),
  host: z.string().optional(),
  runtime: z.enum(['auto', ...RuntimeKind.options]).optional(),
  'use-case': z.string().optional(),
  /** How a quant is chosen. */
  policy: ChoicePolicy.optional(),
  sampling: z.string().optional(),
  catalog: z.array(z.string()).optional(),
  /** PEM files of the keys that catalog files must be signed with. */
  'catalog-key': z.array(z.string()).optional(),
  /** PEM files of the keys that bundles and published models must be signed with. */
  'bundle-key': z.array(z.string()).optional(),
  'require-tls': z.boolean().optional(),
  /** PEM file of certificate authorities to trust beside the system's, for downloads. */
  ca: z.string().optional(),
  /** Use only what is on this machine: nothing is downloaded. */
  offline: z.boolean().optional(),
  /** Where files of sources are as well: the beginning of references, and the folder or registry to ask in their place. */
  mirrors: Mirrors.optional(),
});
export type Settings = z.infer<typeof Settings>;

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
  const suggestions = [`Fix or remove ${file}.`];
  return parseDocument(
    Settings,
    text,
    { name: file, code: 'bad-configuration', suggestions },
    Object.keys(Settings.shape),
  );
}
