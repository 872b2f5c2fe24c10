import { isJinja } from '../../runtimes/jinja.ts';
import { bosUnknown, doubleBos, missingBos, tokenCountDiffers } from './findings.ts';
import type { Evidence, ShapeEvidence } from './gather.ts';
import type { ProveRequest } from './request.ts';

import type { Finding } from './schema.ts';

export interface BosVerdict {
  /** BOS tokens in front of what the model evaluates; absent when that could not be established. */
  readonly count?: number;
  /** How many there should be: one, unless neither the template nor the tokenizer of the model knows any. */
  readonly expected: number;
  /** BOS tokens that are in a templated prompt and not in the raw one. */
  readonly written: number;
  readonly findings: readonly Finding[];
}

type Model = Pick<ProveRequest, 'tokens' | 'stored'>;

/**
 * Counts BOS tokens: what the tokenizer adds, and what the templated prompt has more than the raw one. Servers that
 * strip a BOS which a template wrote (Ollama from 0.30 on) show it in the text all the same, so only counts decide.
 */
export function judgeBos(model: Model, evidence: Evidence): BosVerdict {
  const { shapes, ownBosCounts, addsBos } = evidence;
  const expected = addsBos || shapes.some(({ expectation }) => expectation.writesBos) ? 1 : 0;
  if (ownBosCounts.length > 0) {
    const count = ownBosCounts.find((each) => each !== expected) ?? expected;
    return { count, expected, written: 0, findings: bosFindings(count, expected, model.tokens.bos) };
  }
  const written = shapes.some(({ body }) => body !== undefined)
    ? writtenByText(model, shapes)
    : writtenByCount(model, shapes);
  if (written === undefined || addsBos === undefined)
    return {
      expected,
      written: written ?? 0,
      findings: shapes.length > 0 ? [bosUnknown(whyUnknown(shapes, addsBos))] : [],
    };
  const count = (addsBos ? 1 : 0) + written;
  if (count < 0 || count > 2) return { expected, written: 0, findings: shapes.flatMap(countFindings) };
  return { count, expected, written, findings: bosFindings(count, expected, model.tokens.bos) };
}

function whyUnknown(shapes: readonly ShapeEvidence[], addsBos: boolean | undefined): string {
  if (shapes.every((each) => moreThanRaw(each) === undefined))
    return 'the runtime does not count all tokens of a prompt';
  if (addsBos === undefined) return 'it is unknown whether the tokenizer adds one';
  return 'the prompts have nothing in common';
}

function bosFindings(count: number, expected: number, bos: string): Finding[] {
  if (count > expected) return [doubleBos(count, bos)];
  return count < expected ? [missingBos(bos)] : [];
}

/** Tokens that the templated prompt has more than the raw one. */
export function moreThanRaw({ templated, raw }: ShapeEvidence): number | undefined {
  return templated === undefined || raw === undefined ? undefined : templated - raw;
}

/** Where texts are shown: the raw prompt that was counted must be the text of the templated one. */
function writtenByText(model: Model, shapes: readonly ShapeEvidence[]): number | undefined {
  const counted = shapes.find((each) => moreThanRaw(each) !== undefined);
  if (counted === undefined) return undefined;
  const alike = shapes.every(({ body, expectation }) => body === undefined || body === expectation.body);
  if (counted.body !== undefined || alike) return moreThanRaw(counted);
  return writesBos(model) === false ? 0 : undefined;
}

/** Where no text is shown, one token more in every shape may be anything: it is a BOS if the template writes one. */
function writtenByCount(model: Model, shapes: readonly ShapeEvidence[]): number | undefined {
  const more = new Set(shapes.flatMap((each) => moreThanRaw(each) ?? []));
  if (more.size === 0) return undefined;
  const writes = writesBos(model);
  if (writes === false) return 0;
  if (more.size > 1) return undefined;
  return more.has(0) ? 0 : more.has(1) && writes ? 1 : undefined;
}

/** Whether the template that the runtime shows has a BOS in it; undefined if it shows none that decides it. */
function writesBos({ stored, tokens }: Model): boolean | undefined {
  const { template } = stored;
  return template === undefined || isJinja(template) ? undefined : template.includes(tokens.bos);
}

function countFindings({ expectation, templated, raw }: ShapeEvidence): Finding[] {
  if (templated === undefined || raw === undefined) return [];
  return [tokenCountDiffers(expectation.shape.title, { effective: templated, expected: raw })];
}
