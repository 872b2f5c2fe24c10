import { firstDifference } from '../difference.ts';
import { nameDifference, nameHidden } from './classify.ts';
import {
  contextShorter,
  contextTooShort,
  contextUnknown,
  missingStop,
  shapeRefused,
  tokenCountDiffers,
  unknown,
} from './findings.ts';
import type { Evidence, ShapeEvidence } from './gather.ts';
import { type BosVerdict, judgeBos, moreThanRaw } from './judge-bos.ts';
import type { ProveRequest } from './request.ts';
import type { Finding, PromptProof, ProofVerdict, ShapeProof } from './schema.ts';
import type { Shape } from './shapes.ts';
import { findAmbiguousRenderer, findSwallowedTemplate, templateInUse } from './template.ts';

export type Judged = Omit<PromptProof, 'requests' | 'generatedTokens'>;

/** What the evidence proves. Pure. `refused`: shapes that the reference template refuses, so that none can be right. */
export function judge(request: ProveRequest, evidence: Evidence, refused: readonly Shape[]): Judged {
  const { stored, tokens, reference } = request;
  const bos = judgeBos(request, evidence);
  const inForce = evidence.loaded?.contextLength;
  const context = inForce ?? stored.contextLength;
  const standard = {
    bos,
    ...(context !== undefined && { context }),
    bosText: tokens.bos,
    evidence,
    ...(stored.template !== undefined && { template: stored.template }),
  };
  const verdicts = evidence.shapes.map((each) => judgeShape(each, standard));
  const compared = verdicts.map(({ proof }) => proof);
  const findings = removeDuplicates([
    ...findSwallowedTemplate(request, compared),
    ...findAmbiguousRenderer(request, compared),
    ...bos.findings,
    ...verdicts.flatMap((each) => each.findings),
    ...missingStops(request),
    ...contextFindings(request, evidence),
    ...refused.map(({ title }) => shapeRefused(title)),
    ...(compared.length > 0 ? [] : [nothingComparable()]),
  ]);
  const telling = compared.find(({ verdict }) => verdict === 'differs') ?? compared[0];
  return {
    verdict: verdictOf(findings, compared, bos.count),
    ...(telling?.effective !== undefined && { effective: telling.effective }),
    expected: telling?.expected ?? '',
    expectedFrom: reference.from,
    ...(bos.count !== undefined && { bosCount: bos.count }),
    stop: [...(stored.stop ?? [])],
    winner: templateInUse(request),
    context: {
      ...(stored.contextLength !== undefined && { wanted: stored.contextLength }),
      ...(inForce !== undefined && { inForce }),
    },
    shapes: [
      ...compared,
      ...refused.map(({ id, title }) => ({ id, title, verdict: 'unknown' as const, expected: '' })),
    ],
    findings,
  };
}

function verdictOf(
  findings: readonly Finding[],
  compared: readonly ShapeProof[],
  bosCount: number | undefined,
): ProofVerdict {
  if (findings.some(({ severity }) => severity === 'fault')) return 'differs';
  const verdicts = new Set(compared.map(({ verdict }) => verdict));
  if (bosCount === undefined || verdicts.size === 0 || verdicts.has('unknown')) return 'not-provable';
  return verdicts.has('equal-by-count') ? 'proven-by-count' : 'proven';
}

function missingStops({ stored, tokens }: ProveRequest): Finding[] {
  if (stored.stop === undefined)
    return [unknown('the runtime does not report its stop tokens', 'Check how answers end in the smoke test.')];
  return tokens.stop.filter((token) => !stored.stop?.includes(token)).map(missingStop);
}

function contextFindings({ stored }: ProveRequest, { loaded }: Evidence): Finding[] {
  const wanted = stored.contextLength;
  const inForce = loaded?.contextLength;
  if (wanted === undefined) return [];
  if (inForce === undefined) return [contextUnknown()];
  return inForce < wanted ? [contextShorter(inForce, wanted)] : [];
}

function nothingComparable(): Finding {
  return unknown(
    'the runtime neither shows its prompts nor counts all of their tokens',
    'Use a server that does: Ollama 0.11.5 and later shows them, 0.2.0 and later (except 0.30.0) counts them.',
  );
}

/** What all shapes show is reported once, with the first of them; counts mean nothing where texts differ. */
function removeDuplicates(findings: readonly Finding[]): Finding[] {
  const texts = findings.some(({ id }) => id === 'template-differs' || id === 'wrong-role');
  const kept = findings.filter(({ id }) => !(texts && id === 'token-count-differs'));
  const sameThing = ({ id, message }: Finding): string => (id.endsWith('-differs') ? id : message);
  return [...new Map(kept.toReversed().map((each) => [sameThing(each), each])).values()].toReversed();
}

export interface ShapeVerdict {
  readonly proof: ShapeProof;
  readonly findings: readonly Finding[];
}

/** What shapes are judged by, besides the evidence of each. */
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
export function judgeShape(evidence: ShapeEvidence, standard: Standard): ShapeVerdict {
  return evidence.body === undefined
    ? compareCounts(evidence, standard)
    : compareText(evidence, evidence.body, standard);
}

function compareText(evidence: ShapeEvidence, body: string, standard: Standard): ShapeVerdict {
  const { bos, bosText, context } = standard;
  const { expectation } = evidence;
  const { id, title } = expectation.shape;
  // The texts as they are evaluated; where BOS was not counted, both without.
  const expected = bosText.repeat(bos.count === undefined ? 0 : bos.expected) + expectation.body;
  const effective = bosText.repeat(bos.count ?? 0) + body;
  const difference = firstDifference(effective, expected);
  const proof = { id, title, effective, expected, ...tokensOf(evidence, standard) };
  if (difference === undefined) return { proof: { ...proof, verdict: 'equal' }, findings: [] };
  if (body !== expectation.body && context !== undefined && mayBeCut(expectation.body, context))
    return { proof: { ...proof, verdict: 'unknown', difference }, findings: [contextTooShort(title, context)] };
  return { proof: { ...proof, verdict: 'differs', difference }, findings: nameDifference(expectation, body) };
}

/** No tokenizer makes more tokens than there are bytes: a prompt of fewer bytes than the context was not cut. */
function mayBeCut(prompt: string, context: number): boolean {
  return new TextEncoder().encode(prompt).length >= context;
}

function compareCounts(evidence: ShapeEvidence, standard: Standard): ShapeVerdict {
  const { bos, template, context } = standard;
  const { shape, body: expected } = evidence.expectation;
  const { id, title } = shape;
  const more = moreThanRaw(evidence);
  if (more === undefined) {
    const why = unknown(`the tokens of ${title} could not be counted`, 'Use a longer context with --ctx.');
    return { proof: { id, title, expected, verdict: 'unknown' }, findings: [why] };
  }
  const counts = tokensOf(evidence, standard);
  // Old servers cut raw prompts too, and count what is left: then equal counts mean nothing either.
  if (context !== undefined && mayBeCut(expected, context))
    return {
      proof: { id, title, expected, ...counts, verdict: 'unknown' },
      findings: [contextTooShort(title, context)],
    };
  const fits = more === bos.written;
  const { rawWithoutSystem } = evidence;
  const fitsWithoutSystem = rawWithoutSystem !== undefined && evidence.templated === rawWithoutSystem + bos.written;
  const hidden = { fits, fitsWithoutSystem, ...(template !== undefined && { template }) };
  const named = nameHidden(evidence.expectation, hidden);
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
  { expectation, body, templated, raw }: ShapeEvidence,
  { bos, evidence }: Standard,
): Pick<ShapeProof, 'tokens'> {
  if (templated === undefined || raw === undefined) return {};
  if (body !== undefined && body !== expectation.body) return {};
  const added = evidence.addsBos === undefined ? bos.expected : Number(evidence.addsBos);
  return { tokens: { effective: templated, expected: raw - added + bos.expected } };
}
