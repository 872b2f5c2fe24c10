/** Finding a model by what a person typed. */
import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Catalog, LoadedFamily } from './load.ts';
import type { Family, Model, Quant } from './schema.ts';
import { suggestModels, suggestQuants } from './suggest-model.ts';

export interface ResolvedModel {
  readonly family: Family;
  readonly model: Model;
  /** Absent when no quant was named. */
  readonly quant?: Quant;
}

/**
 * Finds `gemma-3n-e4b` or `gemma-3n-e4b:q5_k_m`. Model ids are exact; a quant is accepted in any case and with dashes.
 * Throws `model-not-found` or `quant-not-found`, both with the nearest matches.
 */
export function resolveModel(catalog: Catalog, typed: string): ResolvedModel {
  const text = typed.trim();
  const colon = text.indexOf(':');
  const id = colon < 0 ? text : text.slice(0, colon);
  for (const { family } of catalog.families) {
    const model = family.models.find((candidate) => candidate.id === id);
    if (model === undefined) continue;
    return colon < 0 ? { family, model } : { family, model, quant: resolveQuant(model, text.slice(colon + 1)) };
  }
  const message = text === '' ? 'No model was given.' : `The catalog does not contain a model "${text}".`;
  throw new ProvisionError('model-not-found', message, { suggestions: suggestModels(catalog, text) });
}

/** `Q5_K_M` and `q5-k-m` are `q5_k_m`; so that `Q4_0_QAT` finds `q4_0-qat`, ids are compared in this spelling too. */
export function normaliseQuant(typed: string): string {
  return typed.trim().toLowerCase().replaceAll('-', '_');
}

/** The quant of a model in any spelling that `normaliseQuant` understands. Throws `quant-not-found`. */
export function resolveQuant(model: Model, typed: string): Quant {
  const id = normaliseQuant(typed);
  const quant = model.quants.find((candidate) => normaliseQuant(candidate.id) === id);
  if (quant !== undefined) return quant;
  const message =
    id === ''
      ? `No quant is given after the colon of "${model.id}:".`
      : `${model.id} does not have a quant "${typed.trim()}".`;
  throw new ProvisionError('quant-not-found', message, {
    suggestions: suggestQuants(
      id,
      model.quants.map((candidate) => candidate.id),
    ),
  });
}

/** The model that is used when none is named: a user's family, or overlay, overrides the built-in default. Throws `model-not-found`. */
export function defaultModel(catalog: Catalog): string {
  const id = catalog.families.findLast(({ family }) => family.defaultModel !== undefined)?.family.defaultModel;
  if (id !== undefined) return id;
  throw new ProvisionError('model-not-found', 'No model was named, and no family of the catalog has a default model.', {
    suggestions: ['Name a model: gemma-provision catalog list shows them.'],
  });
}

/** The family with this id. Throws `model-not-found`. */
export function resolveFamily(catalog: Catalog, id: string): Family {
  const found = catalog.families.find(({ family }) => family.id === id.trim());
  if (found !== undefined) return found.family;
  const known = catalog.families.map(({ family }) => family.id);
  throw new ProvisionError('model-not-found', `The catalog does not contain a family "${id}".`, {
    suggestions: didYouMean(id, known),
  });
}

/** All families of an architecture: `gemma3n` is the architecture of Gemma 3n and of the tiny test model. */
export function findByArchitecture(catalog: Catalog, architecture: string): readonly LoadedFamily[] {
  return catalog.families.filter(({ family }) => family.architecture === architecture);
}
