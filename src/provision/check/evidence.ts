/**
 * Telling a server's age by its behaviour, for servers whose version says nothing. Every probe was sent to 0.1.34, 0.5.4,
 * 0.5.13, 0.9.6, 0.10.0, 0.24.0 and 0.33.0-rc2: the lists of models and every file of the models folder stayed the same.
 */
import { member, textAt } from '../../catalog/json-access.ts';
import type { Question, TextReply } from '../../net/text.ts';

/** One thing seen, and the releases that behave so: `since` to `until`, both inclusive. */
export interface Evidence {
  readonly id: string;
  /** What the server does, to go after "It": `takes files for a create`. */
  readonly seen: string;
  readonly since?: string;
  readonly until?: string;
}

export interface Probe {
  readonly id: 'create' | 'method' | 'ps';
  readonly question: Question;
}

/** A valid name that does not exist. Nothing is created: the request gives no bytes to create it from. */
const NAME = 'gemma-provision-check:probe';

export const PROBES: readonly Probe[] = [
  { id: 'ps', question: { method: 'GET', path: '/api/ps' } },
  { id: 'method', question: { method: 'GET', path: '/api/create' } },
  // Every version refuses a create from nothing before it touches its store.
  { id: 'create', question: { method: 'POST', path: '/api/create', body: { model: NAME, name: NAME } } },
];

/** What a reply proves; nothing when it is not the answer of any Ollama, such as a proxy's. */
export function evidenceOf(id: Probe['id'] | 'tags', reply: TextReply): Evidence[] {
  return READERS[id](reply).map((seen) => ({ id, ...seen }));
}

type Seen = Omit<Evidence, 'id'>;

const READERS: Readonly<Record<Probe['id'] | 'tags', (reply: TextReply) => Seen[]>> = {
  create: ofCreate,
  method: ofMethod,
  ps: (reply) => ofFields(reply, 'context_length', '0.10.0', '0.9.6', 'the context length of a loaded model'),
  tags: (reply) => ofFields(reply, 'capabilities', '0.30.0', '0.24.0', 'the capabilities of listed models'),
};

/** Ollama commits 86a622cbd (0.5.5: files in place of a Modelfile) and the status of early errors (0.12.6). */
function ofCreate({ status, text }: TextReply): Seen[] {
  if (status === 400 && /path or modelfile are required/i.test(text)) {
    return [{ seen: 'requires a Modelfile for a create', until: '0.5.4' }];
  }
  if (!text.includes("neither 'from' or 'files' was specified")) return [];
  return status === 200
    ? [{ seen: 'accepts files for a create and refuses an empty one inside HTTP 200', since: '0.5.5', until: '0.12.5' }]
    : [{ seen: `accepts files for a create and refuses an empty one with HTTP ${status}`, since: '0.12.6' }];
}

/** gin's own words: a wrong method has a status of its own from 0.7.0 on (ollama: HandleMethodNotAllowed). */
function ofMethod({ status, text }: TextReply): Seen[] {
  if (status === 405 && text.trim() === '405 method not allowed') {
    return [{ seen: 'answers a wrong method with HTTP 405', since: '0.7.0' }];
  }
  if (status === 404 && text.trim() === '404 page not found') {
    return [{ seen: 'answers a wrong method with HTTP 404', until: '0.6.8' }];
  }
  return [];
}

/** A field that every entry of a list has from one release on. An empty list proves nothing. */
function ofFields({ status, text }: TextReply, field: string, since: string, before: string, what: string): Seen[] {
  const models = status === 200 ? ownModels(text) : [];
  if (models.length === 0) return [];
  return models.some((model) => member(model, field) !== undefined)
    ? [{ seen: `reports ${what}`, since }]
    : [{ seen: `does not report ${what}`, until: before }];
}

/** Entries of the models that the server has itself; models of the cloud carry fewer fields. */
function ownModels(text: string): unknown[] {
  try {
    const models = member(JSON.parse(text), 'models');
    return Array.isArray(models) ? models.filter((model: unknown) => textAt(model, 'remote_host') === undefined) : [];
  } catch {
    return [];
  }
}
