/** What a server is asked before it is judged: cheap questions, side by side, that change nothing on any version. */
import { member } from '../../catalog/json-access.ts';
import { looseJson } from '../../core/parse.ts';
import type { Ask, Question, TextReply } from '../../net/text.ts';
import { askServerVersion } from '../../runtimes/registry.ts';
import { type Evidence, evidenceOf, PROBES, type Probe } from './evidence.ts';

export interface Round {
  /** The server's own word, cleaned. */
  readonly version: string;
  /** Names of the models that it has; undefined when it did not report them. */
  readonly installed: readonly string[] | undefined;
  /** What its behaviour reveals about its age; empty for a version that needs no proof. */
  readonly evidence: readonly Evidence[];
}

interface RoundOptions {
  readonly ask: Ask;
  /** Base address without credentials, for messages. */
  readonly endpoint: string;
  readonly signal: AbortSignal;
  /** True for a version whose word must be proven. */
  readonly doubtful: (version: string) => boolean;
}

const TAGS: Question = { method: 'GET', path: '/api/tags' };

/**
 * One round. The probes wait for the version, since a known one needs none: a server that is what it says sees two
 * GETs and no POST in its log. Throws `runtime-unreachable`, `runtime-timeout`, `runtime-not-ollama` as every command.
 */
export async function askRound({ ask, endpoint, signal, doubtful }: RoundOptions): Promise<Round> {
  const tags = ask(TAGS).catch(() => undefined);
  const version = await askServerVersion(ask, endpoint, signal);
  const probes = doubtful(version) ? PROBES : [];
  const answers = await Promise.all(probes.map((probe) => answerTo(probe, ask)));
  const list = await tags;
  return {
    version,
    installed: list === undefined ? undefined : namesIn(list),
    evidence: [...(probes.length > 0 && list !== undefined ? evidenceOf('tags', list) : []), ...answers.flat()],
  };
}

/** A probe that fails proves nothing; the version was answered, so the server is there. */
async function answerTo({ id, question }: Probe, ask: Ask): Promise<Evidence[]> {
  return ask(question).then(
    (reply) => evidenceOf(id, reply),
    () => [],
  );
}

function namesIn({ status, text }: TextReply): string[] | undefined {
  const models = status === 200 ? member(looseJson(text), 'models') : undefined;
  // Old servers write null for an empty list.
  if (models === null) return [];
  if (!Array.isArray(models)) return undefined;
  return models.map((model: unknown) => member(model, 'name')).filter((name) => typeof name === 'string');
}
