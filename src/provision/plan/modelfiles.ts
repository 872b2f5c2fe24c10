/** `modelfile render` and `modelfile check`. */
import { join, relative } from 'node:path';
import * as z from 'zod';
import { chatTemplateName } from '../../catalog/chat-format.ts';
import { resolveModel } from '../../catalog/lookup.ts';
import type { Model } from '../../catalog/schema.ts';
import { defined } from '../../core/defined.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Disk } from '../../disk/disk.ts';
import { ModelfileDifference } from '../../modelfile/schema.ts';
import type { AppContext } from '../context.ts';
import { openTemplates } from './catalog.ts';

export const ModelfileRenderData = z.strictObject({ model: z.string(), quant: z.string(), modelfile: z.string() });
export type ModelfileRenderData = z.infer<typeof ModelfileRenderData>;

export const ModelfileCheckData = z.strictObject({
  folder: z.string(),
  checked: z.int().nonnegative(),
  differences: z.array(ModelfileDifference),
});
export type ModelfileCheckData = z.infer<typeof ModelfileCheckData>;

interface RenderOptions {
  readonly ctx?: number | undefined;
  readonly sampling?: string | undefined;
  /** `on` names the catalog's projector too: only whoever creates from the text knows whether it fits. */
  readonly vision?: string | undefined;
  readonly projector?: string | undefined;
}

export async function renderModelfileFor(
  app: AppContext,
  typed: string,
  options: RenderOptions,
): Promise<ModelfileRenderData> {
  const [{ renderModelfile }, { modelSpec }, { chatTemplateOf, modelfileTemplateOf }] = await Promise.all([
    import('../../modelfile/render.ts'),
    import('../../modelfile/spec.ts'),
    import('../../modelfile/templates.ts'),
  ]);
  const { family, model, quant: named } = resolveModel(await app.catalog(), typed);
  const quant = named ?? (model.quants.length === 1 && model.quants[0] ? model.quants[0] : undefined);
  if (quant === undefined) {
    throw new ProvisionError('bad-usage', `${typed} does not specify a quant`, {
      suggestions: [`Add one, for example ${model.id}:${model.quants[0]?.id}.`],
    });
  }
  const projector = options.projector ?? (options.vision === 'on' ? projectorFile(model) : undefined);
  const templates = await openTemplates(app.options.root);
  const spec = modelSpec({
    family,
    model,
    chatTemplate: chatTemplateOf(templates, chatTemplateName(family, model)),
    ...(options.ctx !== undefined && { contextLength: options.ctx }),
    ...(options.sampling !== undefined && { profile: options.sampling }),
  });
  const template = modelfileTemplateOf(templates, family.id);
  return {
    model: model.id,
    quant: quant.id,
    modelfile: renderModelfile({ spec, family, model, quant, template, ...defined({ projector }) }),
  };
}

/** Throws `bad-usage` for a model without one. */
function projectorFile({ id, projectors }: Model): string {
  const [best] = projectors ?? [];
  if (best !== undefined) return `./${best.file}`;
  throw new ProvisionError('bad-usage', `${id} has no projector in the catalog, so it takes text only`, {
    suggestions: ['Omit --vision on, or name the file of a projector with --projector.'],
  });
}

/** Compares a folder of Modelfiles with what templates and catalog give now. */
export async function checkModelfiles(app: AppContext, named?: string): Promise<ModelfileCheckData> {
  const { root } = app.options;
  const folder = named ?? join(root, 'modelfiles');
  const { compareModelfiles, expectedModelfiles } = await import('../../modelfile/generate.ts');
  const families = (await app.catalog()).families.map(({ family }) => family);
  const expected = expectedModelfiles(families, await openTemplates(root));
  const actual = await filesBelow(app.disk, folder, 'modelfiles');
  return { folder, checked: expected.size, differences: compareModelfiles(expected, actual) };
}

async function filesBelow(disk: Disk, folder: string, prefix: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of await filesIn(disk, folder)) {
    texts.set(`${prefix}/${relative(folder, path).replaceAll('\\', '/')}`, await disk.readFile(path, 'utf8'));
  }
  return texts;
}

/** Paths of the regular files in a folder and below it; links are not followed. */
async function filesIn(disk: Disk, folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const name of await disk.readdir(folder)) {
    const path = join(folder, name);
    const facts = await disk.lstat(path, { bigint: true });
    if (facts.isDirectory()) paths.push(...(await filesIn(disk, path)));
    if (facts.isFile()) paths.push(path);
  }
  return paths;
}
