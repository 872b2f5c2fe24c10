/** What the `catalog` commands answer, and what they do with a user's catalog file. */
import * as z from 'zod';
import { Family, Model } from '../../catalog/schema.ts';
import type { AppContext } from '../context.ts';
import { refuseInvalid } from './catalog.ts';
import { type CatalogSignData, type CatalogVerifyData, signCatalog, verifyCatalog } from './catalog-trust.ts';

export const FamilySummary = z.strictObject({
  id: z.string(),
  title: z.string(),
  architecture: z.string(),
  licence: z.string(),
  /** Files that define it, the built-in one first. */
  origins: z.array(z.string()),
  models: z.array(
    z.strictObject({
      id: z.string(),
      title: z.string(),
      parameters: z.int(),
      contextLength: z.int(),
      quants: z.array(z.string()),
      /** Quants whose file ships with this package. */
      bundled: z.array(z.string()),
      library: z.string().optional(),
    }),
  ),
});
export type FamilySummary = z.infer<typeof FamilySummary>;

export const CatalogListData = z.strictObject({ families: z.array(FamilySummary) });
export type CatalogListData = z.infer<typeof CatalogListData>;

export const CatalogShowData = z.strictObject({ family: Family.omit({ models: true }), model: Model });
export type CatalogShowData = z.infer<typeof CatalogShowData>;

export const CatalogValidateData = z.strictObject({
  file: z.string(),
  errors: z.array(z.strictObject({ path: z.string(), message: z.string() })),
});
export type CatalogValidateData = z.infer<typeof CatalogValidateData>;

/** Signs a user's catalog file, which must be valid. */
export async function signCatalogFile(
  app: AppContext,
  file: string,
  flags: { readonly key: string; readonly force: boolean },
): Promise<CatalogSignData> {
  await refuseInvalid(app.options.root, app.paths, file);
  return signCatalog(file, { keyFile: flags.key, env: app.env, force: flags.force });
}

/** Verifies a user's catalog file. Without `keyFiles` the keys of the settings count. */
export async function verifyCatalogFile(
  app: AppContext,
  file: string,
  keyFiles: readonly string[],
): Promise<CatalogVerifyData> {
  const keys = keyFiles.length > 0 ? keyFiles : (app.settings['catalog-key'] ?? []);
  const verified = await verifyCatalog(file, keys, app.trustContext());
  await refuseInvalid(app.options.root, app.paths, file);
  return verified;
}
