import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ProveRequest } from './contract.ts';
import { type Expectation, expectationOf } from './expected.ts';
import { gather } from './gather.ts';
import { judge } from './judge.ts';
import { createMeter } from './meter.ts';
import type { PromptProof } from './schema.ts';
import { SHAPES, type Shape, USER } from './shapes.ts';
import { unprovable } from './unprovable.ts';

/**
 * Holds what the runtime really feeds a model against the prompt that the model was trained with: text by text where
 * the runtime shows it, else by token counts. Adds at most 6 requests and 8 generated tokens to a smoke run. Never
 * passes in silence: what could not be established is a finding. Throws only what the runtime throws.
 */
export async function* prove(request: ProveRequest, signal: AbortSignal): Work<PromptProof> {
  const shapes = shapesFor(request);
  const expected = await expectationsOf(shapes, request);
  if (expected instanceof ProvisionError) return brokenReference(request, expected);

  const started = performance.now();
  const meter = createMeter(request.runtime, request.stored.name, signal);
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
  return promptTokens > 0 && messages.every(({ images = [] }) => images.length === 0);
}

/** Without the shapes that the reference refuses. Returns why when the reference is broken. */
async function expectationsOf(
  shapes: readonly Shape[],
  request: ProveRequest,
): Promise<ReadonlyMap<Shape, Expectation> | ProvisionError> {
  const expectations = new Map<Shape, Expectation>();
  try {
    for (const shape of shapes) {
      const expectation = await expectationOf(shape, request);
      if (expectation !== undefined) expectations.set(shape, expectation);
    }
    return expectations;
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === 'bad-template') return thrown;
    throw thrown;
  }
}

function brokenReference({ stored, tokens, reference }: ProveRequest, { message }: ProvisionError): PromptProof {
  return {
    ...unprovable(stored, tokens, `there is no template to compare with: ${message}`),
    expectedFrom: reference.from,
  };
}
