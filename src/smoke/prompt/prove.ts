import { CageExceeded } from '../../cage/cage.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import type { SmokeResult, Suite } from '../schema.ts';
import { type Expectation, expectationOf } from './expected.ts';
import { missingStop, notProvable } from './findings.ts';
import { createRequestBudget, gather } from './gather.ts';
import { judge } from './judge.ts';
import type { KnownPrompt, ProveRequest } from './request.ts';
import type { PromptProof } from './schema.ts';
import { SHAPES, type Shape, USER } from './shapes.ts';

/**
 * Compares the prompt that the runtime really builds with the one that the model was trained with: text by text where
 * the runtime shows it, else by token counts. Adds at most 6 requests and 8 generated tokens to a smoke run. Never
 * passes in silence: what could not be established is a finding. Throws what the runtime throws, and
 * `bad-template` for a reference that had to be stopped.
 */
export async function* prove(request: ProveRequest, signal: AbortSignal): Work<PromptProof> {
  const shapes = shapesFor(request);
  const expected = await expectationsOf(shapes, request, signal);
  if (expected instanceof ProvisionError) return brokenReference(request, expected);

  const started = performance.now();
  const meter = createRequestBudget(request.runtime, request.stored.name, signal);
  const evidence = await gather({ expectations: [...expected.values()], request, meter });
  const refused = shapes.filter((shape) => !expected.has(shape));
  const proof = judge(request, evidence, refused);
  const ms = performance.now() - started;
  for (const { id, title, verdict } of proof.shapes)
    yield {
      type: 'check',
      id,
      level: 'prompt',
      passed: verdict.startsWith('equal'),
      detail: `${title}: ${verdict}`,
      ms,
    };
  return { ...proof, ...meter.cost() };
}

/** A chat of the smoke run is as good as the plain user turn, and its tokens are counted already. */
function shapesFor({ counted }: ProveRequest): readonly Shape[] {
  if (counted === undefined || !isCountable(counted)) return SHAPES;
  const isPlain = counted.messages.length === 1;
  const shape = isPlain
    ? { ...USER, messages: counted.messages }
    : { id: 'smoke', title: 'a conversation of the smoke test', messages: counted.messages };
  return [{ ...shape, promptTokens: counted.promptTokens }, ...SHAPES.filter((each) => each !== USER)];
}

/** The tokens of a picture are in no raw prompt. */
function isCountable({ messages, promptTokens }: NonNullable<ProveRequest['counted']>): boolean {
  return promptTokens > 0 && messages.every(({ images = [], sounds = [] }) => images.length + sounds.length === 0);
}

/**
 * Without the shapes that the reference refuses. Returns why when the reference is broken; throws when it had to be
 * stopped: a template that attacks whoever renders it is no reason to go on without one.
 */
async function expectationsOf(
  shapes: readonly Shape[],
  request: ProveRequest,
  signal: AbortSignal,
): Promise<ReadonlyMap<Shape, Expectation> | ProvisionError> {
  const expectations = new Map<Shape, Expectation>();
  try {
    for (const shape of shapes) {
      const expectation = await expectationOf(shape, request, signal);
      if (expectation !== undefined) expectations.set(shape, expectation);
    }
    return expectations;
  } catch (thrown) {
    const broken = thrown instanceof ProvisionError && thrown.code === 'bad-template';
    if (broken && !(thrown.cause instanceof CageExceeded)) return thrown;
    throw thrown;
  }
}

function brokenReference({ stored, tokens, reference }: ProveRequest, { message }: ProvisionError): PromptProof {
  return {
    ...unprovenPrompt(stored, tokens, `there is no template to compare with: ${message}`),
    expectedFrom: reference.from,
  };
}

/**
 * A chat of a finished smoke run whose prompt the runtime counted: the one with the shortest prompt, since the proof
 * sends it again. Undefined when the runtime reported no counts.
 */
export function countedChat(suite: Suite, { checks }: SmokeResult): ProveRequest['counted'] {
  const counted = suite.checks.flatMap(({ id, messages }) => {
    const promptTokens = checks.find((result) => result.id === id)?.promptTokens ?? 0;
    return promptTokens > 0 ? [{ messages, promptTokens }] : [];
  });
  const [shortest] = counted.toSorted((a, b) => a.promptTokens - b.promptTokens);
  return shortest;
}

/** The proof where there is nothing to compare with: says so, and still reports missing stop tokens. */
export function unprovenPrompt(stored: StoredModel, tokens: ProveRequest['tokens'], why: string): PromptProof {
  const missing = stored.stop === undefined ? [] : tokens.stop.filter((token) => !stored.stop?.includes(token));
  const findings = [...missing.map(missingStop), notProvable(why)];
  return {
    verdict: missing.length > 0 ? 'differs' : 'not-provable',
    expected: '',
    expectedFrom: 'catalog',
    stop: [...(stored.stop ?? [])],
    winner: 'unknown',
    context: { ...(stored.contextLength !== undefined && { wanted: stored.contextLength }) },
    shapes: [],
    findings,
    requests: 0,
    generatedTokens: 0,
  };
}

/** A model that a smoke test was run on, and what is known of the prompt it should be fed. */
export interface TestedModel extends Pick<ProveRequest, 'runtime' | 'cage' | 'stored' | 'tokens'> {
  readonly suite: Suite;
  readonly smoke: SmokeResult;
  readonly known: KnownPrompt;
  /** Why there is no reference to compare with, for the case that there is none. */
  readonly lacking: string;
}

/** The proof after a smoke test, whose token counts it uses. */
export async function* proveAfterSmoke(
  { runtime, cage, stored, tokens, suite, smoke, known, lacking }: TestedModel,
  signal: AbortSignal,
): Work<PromptProof> {
  const { reference, addsBos = stored.addsBos, sentTemplate } = known;
  if (reference === undefined) return unprovenPrompt(stored, tokens, lacking);
  const counted = countedChat(suite, smoke);
  return yield* prove(
    {
      runtime,
      cage,
      stored,
      tokens,
      reference,
      ...(addsBos !== undefined && { addsBos }),
      ...(sentTemplate !== undefined && { sentTemplate }),
      ...(counted !== undefined && { counted }),
    },
    signal,
  );
}
