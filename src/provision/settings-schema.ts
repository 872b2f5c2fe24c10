import * as z from 'zod';
import { RuntimeKind } from '../runtimes/contract.ts';

/** `config.json` in the config folder: defaults for flags of the same name. Flags win over the environment, which wins over this file. */
export const Settings = z.strictObject({
  $schema: z.string().optional(),
  host: z.string().optional(),
  runtime: z.enum(['auto', ...RuntimeKind.options]).optional(),
  'use-case': z.string().optional(),
  sampling: z.string().optional(),
  catalog: z.array(z.string()).optional(),
  /** PEM files of the keys that catalog files must be signed with. */
  'catalog-key': z.array(z.string()).optional(),
  'require-tls': z.boolean().optional(),
  /** PEM file of certificate authorities to trust beside the system's, for downloads. */
  ca: z.string().optional(),
});
export type Settings = z.infer<typeof Settings>;
