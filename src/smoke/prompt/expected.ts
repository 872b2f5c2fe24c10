import { ProvisionError } from '../../core/errors.ts';
import type { Message } from '../../runtimes/contract.ts';
import { renderJinja } from '../../runtimes/jinja.ts';
import type { ProveRequest } from './request.ts';
import type { Shape } from './shapes.ts';

/** A shape with what the model was trained to see for it. */
export interface Expectation {
  readonly shape: Shape;
  /** The messages, with the model's own system text where the shape brings none: servers put it in front. */
  readonly messages: readonly Message[];
  /** Without the BOS in front. */
  readonly body: string;
  /** The same conversation without its system text, where it has one: what is left when that gets lost. */
  readonly withoutSystem?: string;
  /** Whether the template itself writes a BOS in front. */
  readonly writesBos: boolean;
}

/** Undefined for a shape that the reference template refuses. Throws `bad-template` when it is broken. */
export async function expectationOf(
  shape: Shape,
  { reference, stored, tokens, cage }: Pick<ProveRequest, 'reference' | 'stored' | 'tokens' | 'cage'>,
  signal: AbortSignal,
): Promise<Expectation | undefined> {
  const messages = withSystem(shape.messages, stored.system);
  const render = async (each: readonly Message[]) => {
    const special = { bos: tokens.bos, eos: tokens.stop[0] ?? '' };
    return takeBos(await renderJinja(reference.source, each, special, { cage, signal }), tokens.bos);
  };
  const others = messages.filter(({ role }) => role !== 'system');
  try {
    const { body, count } = await render(messages);
    const withoutSystem = others.length < messages.length ? { withoutSystem: (await render(others)).body } : {};
    return { shape, messages, body, ...withoutSystem, writesBos: count > 0 };
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === 'bad-usage') return undefined;
    throw thrown;
  }
}

function withSystem(messages: readonly Message[], own: string | undefined): readonly Message[] {
  if (!own || messages.some(({ role }) => role === 'system')) return messages;
  return [{ role: 'system', content: own }, ...messages];
}

/** A prompt without the BOS in front, and how often that was written there. */
export function takeBos(text: string, bos: string): { readonly body: string; readonly count: number } {
  let count = 0;
  while (bos !== '' && text.startsWith(bos, count * bos.length)) count += 1;
  return { body: text.slice(count * bos.length), count };
}
