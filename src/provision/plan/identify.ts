/** From a MODEL, a file's header, or both: which model of the catalog is meant. */

import { isKnownArchitecture } from '../../catalog/architectures.ts';
import type { Catalog } from '../../catalog/load.ts';
import { findByArchitecture, resolveFamily, resolveModel, resolveQuant } from '../../catalog/lookup.ts';
import { type Family, type Hyperparameters, largestLayer, type Model, type Quant } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import { slug } from '../../core/slug.ts';
import { isProjector } from '../../gguf/projector.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { isUnlisted, unlistedFamily } from './unlisted.ts';

/** A model with the quant, where that is known already. */
export interface Identified {
  readonly family: Family;
  readonly model: Model;
  readonly quant?: string;
}

/** Model and quant as typed. `--quant` and the quant in MODEL must not contradict each other. */
export function identifyByName(catalog: Catalog, typed: string, quantFlag: string | undefined): Identified {
  const { family, model, quant } = resolveModel(catalog, typed);
  const flagged = quantFlag === undefined ? undefined : resolveQuant(model, quantFlag);
  if (quant !== undefined && flagged !== undefined && quant.id !== flagged.id) {
    throw new ProvisionError(
      'bad-usage',
      `${typed} specifies the quant ${quant.id}, but --quant specifies ${flagged.id}`,
      {
        suggestions: ['Omit one of them.'],
      },
    );
  }
  const chosen = quant ?? flagged;
  return { family, model, ...(chosen !== undefined && { quant: chosen.id }) };
}

/** Makes sure that a file is what the catalog says of the model. Throws `wrong-architecture`. */
export function checkHeader({ family, model }: Identified, header: GgufFacts, path: string): void {
  if (header.architecture !== family.architecture) {
    throw new ProvisionError(
      'wrong-architecture',
      `${path} has the architecture ${header.architecture}, but ${model.id} has ${family.architecture}`,
      { suggestions: ['Specify a file of this model, or omit the model: the header identifies it.'] },
    );
  }
  const found = header.hyperparameters;
  if (found === undefined) throw noLanguageModel(path);
  const differences = differencesOf(found, model.hyperparameters);
  if (differences.length === 0) return;
  throw new ProvisionError(
    'wrong-architecture',
    `${path} is a different ${family.architecture} model than ${model.id}: ${differences.join(', ')}`,
    { suggestions: ['Omit the model and choose a name with --name, or specify the correct model.'] },
  );
}

/** Finds the catalog's model that a header describes, or makes one of the header for a model that is not in the catalog. */
export function identifyByHeader(
  catalog: Catalog,
  header: GgufFacts,
  fileName: string,
  familyFlag: string | undefined,
): Identified {
  const named =
    familyFlag === undefined || isUnlisted(familyFlag)
      ? findByArchitecture(catalog, header.architecture).map(({ family }) => family)
      : [resolveFamily(catalog, familyFlag)];
  const shape = header.hyperparameters;
  if (isProjector(header) || shape === undefined) throw noLanguageModel(fileName);
  if (named.length === 0 && !isKnownArchitecture(header.architecture))
    throw noFamily(catalog, header.architecture, fileName);
  if (named.length === 0) return unknownModel([unlistedFamily(header, fileName)], header, shape, fileName);
  for (const family of named) {
    const model = family.models.find((candidate) => differencesOf(shape, candidate.hyperparameters).length === 0);
    if (model !== undefined) return { family, model, ...quantOf(model, header, fileName) };
  }
  return unknownModel(named, header, shape, fileName);
}

/** The quant that a file is: by the catalog's file name, else by what the header declares, else unknown. */
export function quantOf(model: Model, header: GgufFacts, fileName: string): { quant?: string } {
  const lower = fileName.toLowerCase();
  const named = model.quants.find((quant) => quant.file.toLowerCase() === lower);
  const quant = named?.id ?? model.quants.find((candidate) => candidate.id === header.declaredQuant?.toLowerCase())?.id;
  return quant === undefined ? {} : { quant };
}

/**
 * Makes sure that a file is the quant that it is taken for, as far as its header says. How weights were trained it does
 * not say: `q4_0-qat` declares `q4_0`. Throws `bad-usage`.
 */
export function checkQuant(model: Model, quant: string, header: GgufFacts, path: string): void {
  const actual = quantOf(model, header, '').quant;
  if (actual === undefined || actual === quant || quant.startsWith(`${actual}-`)) return;
  throw new ProvisionError('bad-usage', `${path} has the quant ${actual}, not ${quant}`, {
    suggestions: [`Use it as ${model.id}:${actual}, or specify the ${quant} file.`],
  });
}

/** The numbers that distinguish models of one architecture and that every converter writes. */
const DISTINCTIVE: readonly (readonly [name: string, of: (shape: Hyperparameters) => number])[] = [
  ['blocks', ({ blockCount }) => blockCount],
  ['embedding length', ({ embeddingLength }) => embeddingLength],
  ['attention heads', ({ headCount }) => largestLayer(headCount)],
];

/** `blocks 26 instead of 35`, for each number that differs; empty for the same model. */
function differencesOf(found: Hyperparameters, expected: Hyperparameters): string[] {
  return DISTINCTIVE.filter(([, of]) => of(found) !== of(expected)).map(
    ([name, of]) => `${name} ${of(found)} instead of ${of(expected)}`,
  );
}

function noLanguageModel(file: string): ProvisionError {
  return new ProvisionError(
    'wrong-architecture',
    `${file} does not contain a language model (is it a projector or an adapter?)`,
    {
      suggestions: ['Specify the model file itself with --from. A projector goes beside it: --projector FILE.'],
    },
  );
}

/** A model on record that this catalog does not have; `otherwise`: what would become of it. */
export function notInCatalog(model: string, otherwise: string): ProvisionError {
  return new ProvisionError('model-not-found', `the catalog does not have ${model}: ${otherwise}`, {
    suggestions: [
      'Pass the catalog that it was installed with: --catalog FILE.',
      'Or move the name to a model of this catalog: gemma-provision upgrade NAME --to MODEL.',
    ],
  });
}

/** Neither the catalog nor the estimate has anything about the architecture. */
function noFamily(catalog: Catalog, architecture: string, fileName: string): ProvisionError {
  const known = [...new Set(catalog.families.map(({ family }) => family.architecture))].join(', ');
  return new ProvisionError(
    'wrong-architecture',
    `${fileName} has the architecture ${architecture}, which is not in the catalog, and whose need for memory is not known`,
    {
      suggestions: [
        `The catalog contains: ${known}.`,
        'If its chat format is that of a known family, specify it with --family FAMILY.',
        'Or describe it yourself: gemma-provision catalog derive FILE --output mine.json, complete it, then pass --catalog mine.json.',
      ],
    },
  );
}

/** A model that the catalog does not list, described by its own header; template and sampling are the family's. */
function unknownModel(
  families: readonly Family[],
  header: GgufFacts,
  hyperparameters: Hyperparameters,
  fileName: string,
): Identified {
  const family =
    families.find((candidate) => candidate.models.some((model) => model.kind === 'instruct')) ?? families[0];
  const template = family && relativeOf(family, hyperparameters);
  if (family === undefined || template === undefined) throw new TypeError('a family has models');
  const quant = header.declaredQuant?.toLowerCase() ?? 'unknown';
  const total = header.tensors.reduce((sum, tensor) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0);
  const entry: Quant = {
    id: quant,
    file: fileName,
    quality: 3,
    weights: header.weights,
    note: 'not in the catalog: read from the header',
  };
  const { library: _library, collection: _collection, minimumVersions: _versions, ...common } = template;
  const model: Model = {
    ...common,
    id: slug(header.name ?? fileName.replace(/\.gguf$/i, ''), 48, { dots: true }) || 'model',
    title: header.name ?? fileName,
    baseModel: 'unknown',
    parameters: { total, source: 'tensor list of the file' },
    hyperparameters,
    defaultContext: Math.min(template.defaultContext, hyperparameters.contextLength),
    corrections: [],
    quants: [entry],
  };
  return { family, model, quant };
}

/** Sizes of one family may differ in their chat format, and those with per-layer embeddings belong together. */
function relativeOf({ models }: Family, shape: Hyperparameters): Model | undefined {
  const isElastic = (of: Hyperparameters) => (of.perLayerEmbeddingLength ?? 0) > 0;
  const instruct = models.filter(({ kind }) => kind === 'instruct');
  const alike = instruct.find(({ hyperparameters }) => isElastic(hyperparameters) === isElastic(shape));
  return alike ?? instruct[0] ?? models[0];
}
