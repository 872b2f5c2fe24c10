import { ProvisionError } from '../../core/errors.ts';
import type { LoadedModel, Message, RenderedPrompt } from '../../runtimes/contract.ts';
import { type Expectation, takeBos } from './expected.ts';
import type { ProveRequest } from './request.ts';
import { MARKERS, MULTI_TURN, SYSTEM_USER } from './shapes.ts';

/** What the runtime reported about one shape. */
export interface ShapeEvidence {
  readonly expectation: Expectation;
  /** The effective prompt, without the BOS in front. */
  readonly body?: string;
  /** Tokens of the conversation. */
  readonly templated?: number;
  /** Tokens of the same prompt as raw text without the BOS in front; what the tokenizer adds is among them. */
  readonly raw?: number;
  /** Tokens of the raw prompt without its system text: requested if the templated one is shorter. */
  readonly rawWithoutSystem?: number;
}

export interface Evidence {
  /** One entry for every shape that was asked about. */
  readonly shapes: readonly ShapeEvidence[];
  /** BOS tokens in front, shape by shape, where the runtime counted them itself. */
  readonly ownBosCounts: readonly number[];
  /** Whether the tokenizer adds a BOS: measured, else as the file says. */
  readonly addsBos?: boolean;
  readonly loaded?: LoadedModel;
}

export interface Subject {
  /** The first one is the shape whose tokens are counted, also where texts are shown. */
  readonly expectations: readonly Expectation[];
  readonly request: Pick<ProveRequest, 'addsBos' | 'tokens'>;
  readonly meter: RequestBudget;
}

/** What is compared first when the requests do not suffice for all: the shapes that a template easily gets wrong. */
const ORDER: readonly string[] = [MULTI_TURN.id, SYSTEM_USER.id, MARKERS.id];
/** Kept for the question what is loaded, which needs a loaded model and so comes last. */
const RESERVED_FOR_LOADED = 1;

/** Asks the runtime for its prompts, else for their token counts, within the budget. */
export async function gather(subject: Subject): Promise<Evidence> {
  const evidence = (await gatherTexts(subject)) ?? (await gatherCounts(subject));
  const loaded = await subject.meter.loaded();
  const shapes = subject.expectations.flatMap((each) =>
    evidence.shapes.filter(({ expectation }) => expectation === each),
  );
  return { ...evidence, shapes, ...(loaded !== undefined && { loaded }) };
}

/** Undefined where the runtime shows no prompt. */
async function gatherTexts(subject: Subject): Promise<Evidence | undefined> {
  const { request, expectations, meter } = subject;
  const shapes: ShapeEvidence[] = [];
  const ownBosCounts: number[] = [];
  const forCounts = pairCost(expectations[0]) + (request.addsBos === undefined ? 1 : 0);
  for (const expectation of inOrder(expectations)) {
    const reserved = RESERVED_FOR_LOADED + (ownBosCounts.length > 0 ? 0 : forCounts);
    if (meter.left() <= reserved) break;
    const rendered = await meter.render(expectation.shape.messages);
    if (rendered === undefined) return undefined;
    if (rendered.bosCount !== undefined) ownBosCounts.push(rendered.bosCount);
    shapes.push({ expectation, body: takeBos(rendered.text, request.tokens.bos).body });
  }
  // A template without a BOS leaves it to the tokenizer, which is then expected to add one.
  return ownBosCounts.length > 0
    ? { shapes, ownBosCounts, ...known(request.addsBos) }
    : await addCounts(subject, shapes);
}

/** Prompts are equal or not whatever the counts say; these show how many BOS tokens are in front. */
async function addCounts(subject: Subject, shapes: readonly ShapeEvidence[]): Promise<Evidence> {
  const [expectation] = subject.expectations;
  if (expectation === undefined) return { shapes, ownBosCounts: [] };
  const shown = shapes.find((each) => each.expectation === expectation);
  const counted = await countPair(subject, shown ?? { expectation });
  const others = shapes.filter((each) => each !== shown);
  const addsBos = counted.raw === undefined ? subject.request.addsBos : await measureAddedBos(subject);
  return { shapes: [...others, ...(hasEvidence(counted) ? [counted] : [])], ownBosCounts: [], ...known(addsBos) };
}

/**
 * The longest shape holds whatever a template can lose; the first one may be counted already. Whether the
 * tokenizer adds a BOS is measured in between if the file does not say so, else at the end if a request is left.
 */
async function gatherCounts(subject: Subject): Promise<Evidence> {
  const { expectations, request, meter } = subject;
  const [counted] = expectations;
  const [longest] = inOrder(expectations);
  if (counted === undefined || longest === undefined) return { shapes: [], ownBosCounts: [] };
  const first = await countPair(subject, { expectation: longest });
  if (!hasEvidence(first)) return { shapes: [], ownBosCounts: [], ...known(request.addsBos) };
  const shapes = [first];
  let addsBos = request.addsBos ?? (await measureAddedBos(subject));
  if (counted !== longest && meter.left() >= RESERVED_FOR_LOADED + pairCost(counted))
    shapes.push(await countPair(subject, { expectation: counted }));
  const [, ...others] = shapes;
  const whole = [await countWithoutSystem(subject, first), ...others];
  if (request.addsBos !== undefined) addsBos = await measureAddedBos(subject);
  return { shapes: whole, ownBosCounts: [], ...known(addsBos) };
}

function known(addsBos: boolean | undefined): Pick<Evidence, 'addsBos'> {
  return addsBos === undefined ? {} : { addsBos };
}

function hasEvidence({ body, raw }: ShapeEvidence): boolean {
  return body !== undefined || raw !== undefined;
}

/** Requests that it takes to count a shape with and without its template. */
function pairCost(expectation: Expectation | undefined): number {
  return expectation?.shape.promptTokens === undefined ? 2 : 1;
}

/** Adds both counts. The raw one first: it shows whether counts are available. */
async function countPair({ meter }: Subject, shape: ShapeEvidence): Promise<ShapeEvidence> {
  const { expectation } = shape;
  const raw = await meter.countRaw(shape.body ?? expectation.body);
  if (raw === undefined) return shape;
  const { promptTokens, messages } = expectation.shape;
  const templated = promptTokens ?? (await meter.countChat(messages));
  return { ...shape, raw, ...(templated !== undefined && { templated }) };
}

/** Where tokens are missing, the next question is whether they are those of the system text. */
async function countWithoutSystem({ meter }: Subject, shape: ShapeEvidence): Promise<ShapeEvidence> {
  const { templated, raw, expectation } = shape;
  if (templated === undefined || raw === undefined || templated >= raw) return shape;
  if (expectation.withoutSystem === undefined || meter.left() <= RESERVED_FOR_LOADED) return shape;
  const rawWithoutSystem = await meter.countRaw(expectation.withoutSystem);
  return { ...shape, ...(rawWithoutSystem !== undefined && { rawWithoutSystem }) };
}

/**
 * Measures whether the tokenizer adds a BOS: a single special token has one token without, two with it. What the file
 * says stands where the requests do not suffice, or the vocabulary has no such token.
 */
async function measureAddedBos({ request, meter }: Subject): Promise<boolean | undefined> {
  const [token] = request.tokens.stop;
  if (token === undefined || meter.left() <= RESERVED_FOR_LOADED) return request.addsBos;
  const tokens = await meter.countRaw(token);
  return tokens === 1 || tokens === 2 ? tokens === 2 : request.addsBos;
}

function inOrder(expectations: readonly Expectation[]): Expectation[] {
  const first = ORDER.flatMap((id) => expectations.filter(({ shape }) => shape.id === id));
  return [...new Set([...first, ...expectations])];
}

/** Requests that a proof may add to a smoke run. */
const MAX_REQUESTS = 6;

/** Asks the runtime, and counts what that costs. Once the budget is used up nothing is asked any more. */
export interface RequestBudget {
  /** Requests that may still be made. */
  left(): number;
  cost(): { readonly requests: number; readonly generatedTokens: number };
  /** Undefined where the runtime cannot show a prompt. Throws what the runtime throws, as all of these. */
  render(messages: readonly Message[]): Promise<RenderedPrompt | undefined>;
  /** Tokens of a prompt that no template touches; undefined where they are not counted, or the context is too short. */
  countRaw(prompt: string): Promise<number | undefined>;
  /** Tokens of a conversation; undefined where they are not counted, or the context is too short. */
  countChat(messages: readonly Message[]): Promise<number | undefined>;
  loaded(): Promise<LoadedModel | undefined>;
}

export function createRequestBudget(
  runtime: ProveRequest['runtime'],
  name: string,
  signal: AbortSignal,
): RequestBudget {
  let requests = 0;
  let generatedTokens = 0;

  function mayAsk(): boolean {
    signal.throwIfAborted();
    if (requests >= MAX_REQUESTS) return false;
    requests += 1;
    return true;
  }

  return {
    left: () => MAX_REQUESTS - requests,
    cost: () => ({ requests, generatedTokens }),
    async render(messages) {
      // A runtime that shows nothing may have found that out by asking: it counts as a request.
      if (runtime.render === undefined || !mayAsk()) return undefined;
      return await runtime.render({ name, messages }, signal);
    },
    async countRaw(prompt) {
      if (runtime.countRaw === undefined || !mayAsk()) return undefined;
      generatedTokens += 1;
      return await unlessTooLong(runtime.countRaw(name, prompt, signal));
    },
    async countChat(messages) {
      if (!mayAsk()) return undefined;
      return await unlessTooLong(chatOnce(messages));
    },
    async loaded() {
      if (runtime.loaded === undefined || !mayAsk()) return undefined;
      return await runtime.loaded(name, signal);
    },
  };

  async function chatOnce(messages: readonly Message[]): Promise<number | undefined> {
    const chat = runtime.chat({ name, messages, options: { temperature: 0, seed: 1, num_predict: 1 } }, signal);
    for (;;) {
      const step = await chat.next();
      if (!step.done) continue;
      generatedTokens += step.value.answerTokens;
      return step.value.promptTokens || undefined;
    }
  }
}

/** Runtimes refuse a prompt that leaves no room in the context; then there is nothing to count. */
async function unlessTooLong(count: Promise<number | undefined>): Promise<number | undefined> {
  try {
    return await count;
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === 'bad-usage') return undefined;
    throw thrown;
  }
}
