/** What a model asks of a server. */
import { basename } from 'node:path';
import { ollamaNeeds } from '../../catalog/chat-format.ts';
import { resolveFamily, resolveModel } from '../../catalog/lookup.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import type { CheckTarget } from '../../compat/check.ts';
import { ProvisionError } from '../../core/errors.ts';
import { isProjector } from '../../gguf/projector.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { resolveSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import { readSourceHeader } from '../plan/header.ts';
import { checkHeader, quantOf } from '../plan/identify.ts';
import { locationOf } from '../plan/quant-places.ts';

/** What a person asks about, as typed. */
export interface CheckQuestion {
  readonly model?: string | undefined;
  readonly family?: string | undefined;
  readonly from?: string | undefined;
}

/** What a server is asked for, and what people call it. */
export interface Wanted {
  readonly target: CheckTarget;
  /** Model id of the catalog. */
  readonly model?: string;
  readonly family?: string;
  readonly file?: string;
}

/** The question about a model of the catalog, with or without a quant. */
export function wantedModel(family: Family, model: Model, quant: string | undefined): Wanted {
  const { library } = model;
  return {
    model: model.id,
    family: family.id,
    target: {
      ...familyTarget(family),
      ...ollamaNeeds(model),
      ...(quant !== undefined && { quant }),
      ...(library !== undefined && { pull: { library: library.name, minimumVersion: library.minimumVersion } }),
    },
  };
}

/** Architecture and the parameters that a Modelfile of the family sets. */
export function familyTarget(family: Family): CheckTarget {
  const { source: _source, ...sampling } = family.profiles[family.defaultProfile] ?? {};
  return { architecture: family.architecture, parameters: [...Object.keys(sampling), 'num_ctx', 'stop'] };
}

/** Undefined when only the server is asked about. Throws as `install` does for the same model, family or file. */
export async function resolveTarget(app: AppContext, question: CheckQuestion): Promise<Wanted | undefined> {
  const { model: typed, family: familyId, from } = question;
  if (from === undefined && typed === undefined && familyId === undefined) return undefined;
  const file = from === undefined ? undefined : await headerOf(app, from);
  if (typed !== undefined) {
    const { family, model, quant } = resolveModel(await app.catalog(), typed);
    const wanted = wantedModel(family, model, quant?.id);
    if (file === undefined) return wanted;
    checkHeader({ family, model }, file.header, file.path);
    const found = quantOf(model, file.header, basename(file.path)).quant ?? quant?.id;
    const fromFile = ofFile(file, wanted.target.parameters, found);
    return { ...wanted, ...fromFile, target: { ...fromFile.target, ...ollamaNeeds(model) } };
  }
  const family = familyId === undefined ? undefined : resolveFamily(await app.catalog(), familyId);
  const asked = family === undefined ? undefined : familyTarget(family);
  const named = family === undefined ? {} : { family: family.id };
  if (file !== undefined) return { ...named, ...ofFile(file, asked?.parameters) };
  return asked === undefined ? undefined : { ...named, target: asked };
}

interface HeaderFile {
  readonly path: string;
  readonly header: GgufFacts;
}

async function headerOf(app: AppContext, ref: string): Promise<HeaderFile> {
  const { sources, http } = await app.bytes();
  const { signal } = app.options;
  const resolved = await resolveSource(sources, { ref, signal });
  if (resolved.kind === 'library') {
    throw new ProvisionError('bad-usage', `${ref} is not a file: only the server knows what it would pull`, {
      suggestions: ['Specify a model of the catalog instead: gemma-provision check MODEL'],
    });
  }
  return { path: locationOf(resolved), header: await readSourceHeader(resolved, { http, signal }) };
}

/** What the file asks for; it is uploaded, so the library's gate is none of its concern. */
function ofFile(
  { path, header }: HeaderFile,
  parameters: readonly string[] | undefined,
  known?: string,
): Pick<Wanted, 'file' | 'target'> {
  const quant = known ?? header.declaredQuant?.toLowerCase();
  return {
    file: path,
    target: {
      architecture: header.architecture,
      ...(quant !== undefined && { quant }),
      fileSplit: Number(header.metadata.get('split.count') ?? 1) > 1,
      projector: isProjector(header),
      ...(header.tokenizer.addBos !== undefined && { addsBos: header.tokenizer.addBos }),
      ...(parameters !== undefined && { parameters }),
    },
  };
}
