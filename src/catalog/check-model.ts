/** What must hold between the fields of one model; a schema sees every field alone. */
import type { Issue } from '../core/parse.ts';
import { qualityIssues } from './check-quality.ts';
import { sourceIssues } from './check-source.ts';
import { type Item, issueAt, itemsAt, member, numberAt, type Path, repeats, textAt } from './json-access.ts';

/** Hyperparameters that may be a list with one number per layer. */
const PER_LAYER = ['feedForwardLength', 'headCount', 'headCountKv', 'keyLength', 'valueLength'] as const;

const WEIGHT_PARTS = ['tokenEmbedding', 'perLayerEmbedding', 'perLayerProjection', 'output', 'other'] as const;

export function modelIssues({ value: model, path }: Item): Issue[] {
  const quants = itemsAt(model, 'quants', path);
  const projectors = itemsAt(model, 'projectors', path);
  return [
    ...shapeIssues(model, path),
    ...repeats(quants, 'id', 'the quant'),
    ...repeats(quants, 'file', 'the file'),
    ...repeats(quants, 'digest', 'the digest'),
    ...quants.flatMap((quant) => quantIssues(quant, blockCountOf(model))),
    ...qualityIssues(model, path),
    ...repeats(projectors, 'id', 'the projector'),
    ...repeats(projectors, 'digest', 'the digest'),
    ...projectors.flatMap((projector) => projectorIssues(projector, model)),
  ];
}

/** A projector writes embeddings of one length, and serves what the model takes. */
function projectorIssues({ value: projector, path }: Item, model: unknown): Issue[] {
  const issues = [...byteIssues({ value: projector, path }), ...sourceIssues(projector, path)];
  const length = numberAt(projector, 'embeddingLength');
  const wanted = numberAt(member(model, 'hyperparameters'), 'embeddingLength');
  if (length !== undefined && wanted !== undefined && length !== wanted)
    issues.push(issueAt([...path, 'embeddingLength'], `is ${length}, but the model's is ${wanted}`));
  const serves = member(projector, 'serves');
  const taken = itemsAt(model, 'modalities', [])
    .filter(({ value }) => textAt(value, 'direction') === 'input')
    .map(({ value }) => textAt(value, 'kind'));
  for (const sense of Array.isArray(serves) ? serves : []) {
    if (typeof sense === 'string' && !taken.includes(sense))
      issues.push(issueAt([...path, 'serves'], `names ${sense}, which is not an input among the model's modalities`));
  }
  return issues;
}

function blockCountOf(model: unknown): number | undefined {
  return numberAt(member(model, 'hyperparameters'), 'blockCount');
}

/** `[object, smaller field, larger field]`: where both are numbers, the first may not exceed the second. */
function notAbove(smaller: number | undefined, larger: number | undefined, path: Path, largerName: string): Issue[] {
  if (smaller === undefined || larger === undefined || smaller <= larger) return [];
  return [issueAt(path, `${smaller} exceeds ${largerName}, ${larger}`)];
}

function shapeIssues(model: unknown, path: Path): Issue[] {
  const shape = member(model, 'hyperparameters');
  const shapePath = [...path, 'hyperparameters'];
  const parameters = member(model, 'parameters');
  const limit = numberAt(shape, 'contextLength');
  const issues = [
    ...notAbove(numberAt(model, 'defaultContext'), limit, [...path, 'defaultContext'], 'contextLength'),
    ...notAbove(
      numberAt(shape, 'headCountKv'),
      numberAt(shape, 'headCount'),
      [...shapePath, 'headCountKv'],
      'headCount',
    ),
    ...notAbove(
      numberAt(shape, 'sharedKvLayers'),
      numberAt(shape, 'blockCount'),
      [...shapePath, 'sharedKvLayers'],
      'blockCount',
    ),
    ...notAbove(
      numberAt(member(shape, 'experts'), 'used'),
      numberAt(member(shape, 'experts'), 'count'),
      [...shapePath, 'experts', 'used'],
      'count',
    ),
    ...notAbove(
      numberAt(parameters, 'effective'),
      numberAt(parameters, 'total'),
      [...path, 'parameters', 'effective'],
      'total',
    ),
  ];
  for (const name of PER_LAYER) {
    const list = member(shape, name);
    const blocks = numberAt(shape, 'blockCount');
    if (Array.isArray(list) && blocks !== undefined && list.length !== blocks)
      issues.push(issueAt([...shapePath, name], `lists ${list.length} layers, but blockCount is ${blocks}`));
  }
  if (numberAt(shape, 'slidingPattern') !== undefined && numberAt(shape, 'slidingWindow') === undefined)
    issues.push(issueAt([...shapePath, 'slidingPattern'], 'requires slidingWindow'));
  return issues;
}

function quantIssues({ value: quant, path }: Item, blockCount: number | undefined): Issue[] {
  const issues = byteIssues({ value: quant, path });
  const tensorBytes = numberAt(member(quant, 'tensorBytes'), 'value');
  if (textAt(quant, 'bundled') !== undefined && textAt(quant, 'digest') === undefined)
    issues.push(issueAt([...path, 'bundled'], 'requires a digest, so that the bundled file can be verified'));
  issues.push(...sourceIssues(quant, path));
  return [...issues, ...weightIssues(member(quant, 'weights'), [...path, 'weights'], blockCount, tensorBytes)];
}

function byteIssues({ value: file, path }: Item): Issue[] {
  const issues: Issue[] = [];
  const tensorBytes = numberAt(member(file, 'tensorBytes'), 'value');
  const fileBytes = numberAt(member(file, 'fileBytes'), 'value');
  for (const [key, value] of [
    ['tensorBytes', tensorBytes],
    ['fileBytes', fileBytes],
  ] as const) {
    if (value !== undefined && (!Number.isInteger(value) || value <= 0))
      issues.push(issueAt([...path, key, 'value'], 'must be a whole number of bytes above 0'));
  }
  return [...issues, ...notAbove(tensorBytes, fileBytes, [...path, 'tensorBytes', 'value'], 'fileBytes')];
}

function weightIssues(
  weights: unknown,
  path: Path,
  blockCount: number | undefined,
  tensorBytes: number | undefined,
): Issue[] {
  const blocks = member(weights, 'blocks');
  if (!Array.isArray(blocks)) return [];
  const issues: Issue[] = [];
  if (blockCount !== undefined && blocks.length !== blockCount)
    issues.push(issueAt([...path, 'blocks'], `has ${blocks.length} entries, but blockCount is ${blockCount}`));
  const parts: unknown[] = [...blocks, ...WEIGHT_PARTS.map((part) => member(weights, part))];
  if (tensorBytes === undefined || !parts.every((part) => typeof part === 'number')) return issues;
  const sum = parts.reduce((total, part) => total + part, 0);
  if (sum !== tensorBytes) issues.push(issueAt(path, `adds up to ${sum} bytes, but tensorBytes is ${tensorBytes}`));
  return issues;
}
