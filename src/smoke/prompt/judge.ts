import type { ProveRequest } from './contract.ts';
import { contextShorter, contextUnknown, shapeRefused, unknown } from './findings.ts';
import type { Evidence } from './gather.ts';
import { judgeBos } from './judge-bos.ts';
import { judgeShape } from './judge-shapes.ts';
import type { Finding, PromptProof, ProofVerdict, ShapeProof } from './schema.ts';
import type { Shape } from './shapes.ts';
import { missingStop } from './unprovable.ts';
import { swallowed, winnerOf } from './winner.ts';

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
  const verdicts = evidence.told.map((told) => judgeShape(told, standard));
  const compared = verdicts.map(({ proof }) => proof);
  const findings = concise([
    ...swallowed(request, compared),
    ...bos.findings,
    ...verdicts.flatMap((each) => each.findings),
    ...missingStops(request),
    ...contextFindings(request, evidence),
    ...refused.map(({ title }) => shapeRefused(title)),
    ...(compared.length > 0 ? [] : [nothingTold()]),
  ]);
  const telling = compared.find(({ verdict }) => verdict === 'differs') ?? compared[0];
  return {
    verdict: verdictOf(findings, compared, bos.count),
    ...(telling?.effective !== undefined && { effective: telling.effective }),
    expected: telling?.expected ?? '',
    expectedFrom: reference.from,
    ...(bos.count !== undefined && { bosCount: bos.count }),
    stop: [...(stored.stop ?? [])],
    winner: winnerOf(request),
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
    return [unknown('the runtime does not tell its stop tokens', 'Look at how answers end in the smoke test.')];
  return tokens.stop.filter((token) => !stored.stop?.includes(token)).map(missingStop);
}

function contextFindings({ stored }: ProveRequest, { loaded }: Evidence): Finding[] {
  const wanted = stored.contextLength;
  const inForce = loaded?.contextLength;
  if (wanted === undefined) return [];
  if (inForce === undefined) return [contextUnknown()];
  return inForce < wanted ? [contextShorter(inForce, wanted)] : [];
}

function nothingTold(): Finding {
  return unknown(
    'the runtime neither shows its prompts nor counts all of their tokens',
    'Use a server that does: Ollama 0.11.5 and later shows them, 0.2.0 and later (but 0.30.0) counts them.',
  );
}

/** What all shapes show is told once, with the first of them; counts say nothing where texts differ. */
function concise(findings: readonly Finding[]): Finding[] {
  const texts = findings.some(({ id }) => id === 'template-differs' || id === 'wrong-role');
  const kept = findings.filter(({ id }) => !(texts && id === 'token-count-differs'));
  const sameThing = ({ id, message }: Finding): string => (id.endsWith('-differs') ? id : message);
  return [...new Map(kept.toReversed().map((each) => [sameThing(each), each])).values()].toReversed();
}
