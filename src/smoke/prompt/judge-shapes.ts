import { nameDifference, nameHidden } from './classify.ts';
import { firstDifference } from './difference.ts';
import { contextTooShort, tokenCountDiffers, unknown } from './findings.ts';
import type { Evidence, Told } from './gather.ts';
import { type BosVerdict, moreThanRaw } from './judge-bos.ts';
import type { Finding, ShapeProof } from './schema.ts';

export interface ShapeVerdict {
  readonly proof: ShapeProof;
  readonly findings: readonly Finding[];
}

/** What shapes are judged by, besides what the runtime told of each. */
export interface Standard {
  readonly bos: BosVerdict;
  /** The BOS token as text. */
  readonly bosText: string;
  readonly evidence: Pick<Evidence, 'addsBos'>;
  /** In force, else the one that was asked for, in tokens. */
  readonly context?: number;
  /** The template that the runtime shows. */
  readonly template?: string;
}

/** Compares one shape: by its text where the runtime shows it, else by its token count. */
export function judgeShape(told: Told, standard: Standard): ShapeVerdict {
  return told.body === undefined ? byCount(told, standard) : byText(told, told.body, standard);
}

function byText(told: Told, body: string, standard: Standard): ShapeVerdict {
  const { bos, bosText, context } = standard;
  const { expectation } = told;
  const { id, title } = expectation.shape;
  // The texts as they are evaluated; where BOS was not counted, both without.
  const expected = bosText.repeat(bos.count === undefined ? 0 : bos.expected) + expectation.body;
  const effective = bosText.repeat(bos.count ?? 0) + body;
  const difference = firstDifference(effective, expected);
  const proof = { id, title, effective, expected, ...tokensOf(told, standard) };
  if (difference === undefined) return { proof: { ...proof, verdict: 'equal' }, findings: [] };
  if (body !== expectation.body && context !== undefined && mayBeCut(expectation.body, context))
    return { proof: { ...proof, verdict: 'unknown', difference }, findings: [contextTooShort(title, context)] };
  return { proof: { ...proof, verdict: 'differs', difference }, findings: nameDifference(expectation, body) };
}

/** No tokenizer makes more tokens than there are bytes: a prompt of fewer bytes than the context was not cut. */
function mayBeCut(prompt: string, context: number): boolean {
  return new TextEncoder().encode(prompt).length >= context;
}

function byCount(told: Told, standard: Standard): ShapeVerdict {
  const { bos, template, context } = standard;
  const { shape, body: expected } = told.expectation;
  const { id, title } = shape;
  const more = moreThanRaw(told);
  if (more === undefined) {
    const why = unknown(`the tokens of ${title} could not be counted`, 'Give a longer context with --ctx.');
    return { proof: { id, title, expected, verdict: 'unknown' }, findings: [why] };
  }
  const counts = tokensOf(told, standard);
  // Old servers cut raw prompts too, and count what is left: then equal counts mean nothing either.
  if (context !== undefined && mayBeCut(expected, context))
    return {
      proof: { id, title, expected, ...counts, verdict: 'unknown' },
      findings: [contextTooShort(title, context)],
    };
  const fits = more === bos.written;
  const { rawWithoutSystem } = told;
  const fitsWithoutSystem = rawWithoutSystem !== undefined && told.templated === rawWithoutSystem + bos.written;
  const hidden = { fits, fitsWithoutSystem, ...(template !== undefined && { template }) };
  const named = nameHidden(told.expectation, hidden);
  const proof = { id, title, expected, ...counts };
  if (fits && named.length === 0) {
    // A wrong number of BOS tokens has a finding of its own.
    const equal = bos.count === undefined || bos.count === bos.expected;
    return { proof: { ...proof, verdict: equal ? 'equal-by-count' : 'differs' }, findings: [] };
  }
  const findings = named.length > 0 || counts.tokens === undefined ? named : [tokenCountDiffers(title, counts.tokens)];
  return { proof: { ...proof, verdict: 'differs' }, findings };
}

/** Absent where the raw prompt that was counted is not the expected one. */
function tokensOf(
  { expectation, body, templated, raw }: Told,
  { bos, evidence }: Standard,
): Pick<ShapeProof, 'tokens'> {
  if (templated === undefined || raw === undefined) return {};
  if (body !== undefined && body !== expectation.body) return {};
  const added = evidence.addsBos === undefined ? bos.expected : Number(evidence.addsBos);
  return { tokens: { effective: templated, expected: raw - added + bos.expected } };
}
