import { join, relative } from 'node:path';
import * as z from 'zod';
import { type Catalog, loadCatalog } from '../../catalog/load.ts';
import { resolveModel } from '../../catalog/lookup.ts';
import { Family, Model } from '../../catalog/schema.ts';
import type { CatalogTrust } from '../../catalog/trust.ts';
import { validateCatalogText } from '../../catalog/validate.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Issue } from '../../core/parse.ts';
import { realDisk } from '../../disk/disk.ts';
import { ModelfileDifference } from '../../modelfile/schema.ts';
import { loadTemplates, type Templates } from '../../modelfile/templates.ts';
import type { AppContext } from '../context.ts';
import type { Paths } from '../paths.ts';

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

export const ModelfileRenderData = z.strictObject({ model: z.string(), quant: z.string(), modelfile: z.string() });
export type ModelfileRenderData = z.infer<typeof ModelfileRenderData>;

export const ModelfileCheckData = z.strictObject({
  folder: z.string(),
  checked: z.int().nonnegative(),
  differences: z.array(ModelfileDifference),
});
export type ModelfileCheckData = z.infer<typeof ModelfileCheckData>;

/** The catalog of this run: built-in, the config folder's, then `--catalog` files. */
export function openCatalog(
  root: string,
  paths: Paths,
  extra: readonly string[],
  trust?: CatalogTrust,
): Promise<Catalog> {
  const places = {
    builtin: join(root, 'catalog'),
    // In the bundle: scripts/build.ts refuses to build with a wrong one.
    builtinIsChecked: !import.meta.filename.endsWith('.ts'),
    user: join(paths.config, 'catalog'),
    extra,
    ...(trust !== undefined && { trust }),
  };
  return loadCatalog(realDisk, places);
}

export function openTemplates(root: string): Promise<Templates> {
  return loadTemplates(realDisk, root);
}

/** What is wrong with a user's catalog file. It may be partial where it overlays a built-in family. */
export async function validateCatalogFile(root: string, paths: Paths, file: string): Promise<Issue[]> {
  const base = await openCatalog(root, { ...paths, config: join(root, 'no-such-folder') }, []);
  return [...validateCatalogText(file, await realDisk.readFile(file, 'utf8'), base)];
}

/** Throws `bad-catalog` with everything that is wrong in a user's catalog file. */
export async function refuseInvalid(root: string, paths: Paths, file: string): Promise<void> {
  const issues = await validateCatalogFile(root, paths, file);
  if (issues.length === 0) return;
  const lines = issues.slice(0, 10).map((issue) => `  ${issue.path}: ${issue.message}`);
  throw new ProvisionError('bad-catalog', `${file} is not a valid catalog file:\n${lines.join('\n')}`, {
    suggestions: [`See all of it with: gemma-provision catalog validate ${file}`],
  });
}

interface RenderOptions {
  readonly ctx?: number | undefined;
  readonly sampling?: string | undefined;
}

export async function renderModelfileOf(
  typed: string,
  options: RenderOptions,
  app: AppContext,
): Promise<ModelfileRenderData> {
  const [{ renderModelfile }, { modelSpec }, { chatTemplateOf, modelfileTemplateOf }] = await Promise.all([
    import('../../modelfile/render.ts'),
    import('../../modelfile/spec.ts'),
    import('../../modelfile/templates.ts'),
  ]);
  const { family, model, quant: named } = resolveModel(await app.catalog(), typed);
  const quant = named ?? (model.quants.length === 1 && model.quants[0] ? model.quants[0] : undefined);
  if (quant === undefined) {
    throw new ProvisionError('bad-usage', `${typed} names no quant`, {
      suggestions: [`Write it with one, such as ${model.id}:${model.quants[0]?.id}.`],
    });
  }
  const templates = await openTemplates(app.options.root);
  const spec = modelSpec({
    family,
    model,
    chatTemplate: chatTemplateOf(templates, family.chatTemplate),
    ...(options.ctx !== undefined && { contextLength: options.ctx }),
    ...(options.sampling !== undefined && { profile: options.sampling }),
  });
  const template = modelfileTemplateOf(templates, family.id);
  return { model: model.id, quant: quant.id, modelfile: renderModelfile({ spec, family, model, quant, template }) };
}

/** Compares a folder of Modelfiles with what templates and catalog give now. */
export async function checkModelfilesIn(named: string | undefined, app: AppContext): Promise<ModelfileCheckData> {
  const { root } = app.options;
  const folder = named ?? join(root, 'modelfiles');
  const { compareModelfiles, expectedModelfiles } = await import('../../modelfile/generate.ts');
  const families = (await app.catalog()).families.map(({ family }) => family);
  const expected = expectedModelfiles(families, await openTemplates(root));
  const actual = await filesBelow(folder, 'modelfiles');
  return { folder, checked: expected.size, differences: compareModelfiles(expected, actual) };
}

async function filesBelow(folder: string, prefix: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of await filesIn(folder)) {
    texts.set(`${prefix}/${relative(folder, path).replaceAll('\\', '/')}`, await realDisk.readFile(path, 'utf8'));
  }
  return texts;
}

/** Paths of the regular files in a folder and below it; links are not followed. */
async function filesIn(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const name of await realDisk.readdir(folder)) {
    const path = join(folder, name);
    const facts = await realDisk.lstat(path, { bigint: true });
    if (facts.isDirectory()) paths.push(...(await filesIn(path)));
    if (facts.isFile()) paths.push(path);
  }
  return paths;
}
