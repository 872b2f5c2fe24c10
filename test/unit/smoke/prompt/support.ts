import { readFileSync } from 'node:fs';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import type { Message, RuntimeKind, StoredModel } from '../../../../src/runtimes/contract.ts';
import { prove } from '../../../../src/smoke/prompt/prove.ts';
import type { ProveRequest } from '../../../../src/smoke/prompt/request.ts';
import type { PromptProof } from '../../../../src/smoke/prompt/schema.ts';
import { openCage } from '../../../helpers/cage.ts';
import { FakeRuntime, type Prompting } from '../../../helpers/fake-runtime.ts';

const JINJA = readFileSync('templates/chat/gemma.jinja', 'utf8');
export const GO = readFileSync('templates/chat/gemma.gotmpl', 'utf8');

export const USER_TURN: readonly Message[] = [{ role: 'user', content: 'What is the capital of France?' }];

interface Defects {
  readonly bos?: string;
  readonly model?: string;
  readonly user?: string;
  readonly losesSystem?: boolean;
  readonly ending?: string;
}

/** Writes prompts as Gemma's template does, but for the planted defects. */
export function gemma({ bos = '', model = 'model', user = 'user', losesSystem, ending = '' }: Defects = {}) {
  return (messages: readonly Message[]): string => {
    let lead = '';
    let text = bos;
    for (const { role, content } of messages) {
      if (role === 'system') {
        if (!losesSystem) lead = `${content}\n\n`;
        continue;
      }
      text += `<start_of_turn>${role === 'user' ? user : model}\n${lead}${content.trim()}<end_of_turn>\n${ending}`;
      lead = '';
    }
    return `${text}<start_of_turn>${model}\n`;
  };
}

export interface Planted {
  readonly prompting?: Partial<Prompting>;
  readonly stored?: Partial<StoredModel>;
  readonly request?: Partial<Omit<ProveRequest, 'runtime' | 'stored'>>;
  /** Without the count of a smoke chat. */
  readonly uncounted?: boolean;
  /** The kind that the runtime says it is. */
  readonly kind?: RuntimeKind;
  /** Without the word of the file on BOS. */
  readonly unread?: boolean;
  /** Thrown by the first call of that method. */
  readonly failure?: { readonly method: 'render' | 'countRaw' | 'chat' | 'loaded'; readonly error: Error };
}

export interface Outcome {
  readonly proof: PromptProof;
  readonly names: readonly string[];
  readonly runtime: FakeRuntime;
  readonly events: readonly ProgressEvent[];
}

/** A proof on a fake server, by default one that shows its prompts and is right in everything. */
export async function proven(planted: Planted = {}): Promise<Outcome> {
  const { prompting, stored, request, uncounted, unread, failure, kind } = planted;
  const runtime = new FakeRuntime();
  runtime.prompting = {
    template: gemma(),
    addsBos: true,
    shows: true,
    counts: true,
    contextLength: 512,
    ...prompting,
  };
  runtime.models.set('tiny', { name: 'tiny', answers: () => 'OK' });
  const { promptTokens } = await lastOf(runtime.chat({ name: 'tiny', messages: USER_TURN }));
  runtime.calls.length = 0;
  if (failure !== undefined) runtime.failures.set(failure.method, { error: failure.error, after: 0 });
  const events: ProgressEvent[] = [];
  const work = prove(
    {
      runtime: kind === undefined ? runtime : renamed(runtime, kind),
      cage: openCage,
      stored: { name: 'tiny', template: GO, stop: ['<end_of_turn>'], contextLength: 512, ...stored },
      reference: { source: JINJA, from: 'file' },
      tokens: { bos: '<bos>', stop: ['<end_of_turn>'] },
      ...(!unread && { addsBos: runtime.prompting.addsBos }),
      ...(!uncounted && { counted: { messages: USER_TURN, promptTokens } }),
      ...request,
    },
    new AbortController().signal,
  );
  const proof = await drive(work, (event) => events.push(event));
  return { proof, names: proof.findings.map(({ id, severity }) => `${id} ${severity}`), runtime, events };
}

async function lastOf<Result>(work: AsyncGenerator<unknown, Result, undefined>): Promise<Result> {
  for (;;) {
    const step = await work.next();
    if (step.done) return step.value;
  }
}

/** Verdicts by shape. */
export function verdictsOf({ shapes }: PromptProof): Record<string, string> {
  return Object.fromEntries(shapes.map(({ id, verdict }) => [id, verdict]));
}

function renamed(runtime: FakeRuntime, kind: RuntimeKind): ProveRequest['runtime'] {
  return {
    kind,
    render: (request) => runtime.render(request),
    countRaw: (name, prompt) => runtime.countRaw(name, prompt),
    loaded: (name) => runtime.loaded(name),
    chat: (request) => runtime.chat(request),
  };
}
