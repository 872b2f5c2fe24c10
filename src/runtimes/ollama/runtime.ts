import * as z from 'zod';
import { type ServerFacts, serverFacts } from '../../compat/lookup.ts';

import { createHttp } from '../../net/client.ts';
import type { Http } from '../../net/http.ts';
import type { LimitChanges } from '../../net/limits.ts';
import type { Runtime, RuntimeIdentity } from '../contract.ts';

import { parseModelName } from '../names.ts';
import { chatWith } from './chat.ts';
import { ask, type Connection } from './client.ts';
import type { ModelCall } from './explain.ts';
import type { ProvenFolder } from './folder/probe.ts';
import type { HostAddress } from './host.ts';
import { loadedModel, loadedModels, unloadModel } from './memory.ts';
import { countRawPrompt, renderPrompt } from './prompt.ts';
import { pullModel } from './pull.ts';
import { copyModel, removeModel } from './remove.ts';
import { cleanText } from './server-errors.ts';
import { findModel, listModels, read } from './show.ts';
import { planTransfer, type StoreAt, storeModel } from './store.ts';
import { findLocalAccess, type LocalTransfers } from './transfer/facts.ts';
import type { FileEffects } from './transfer/transfer.ts';

export interface OllamaOptions {
  /** From `parseHost`. */
  readonly host: HostAddress;
  readonly files: FileEffects;
  /** Milliseconds since any fixed point, for the times of a chat. */
  readonly now: () => number;
  /** The real one unless given. */
  readonly http?: Http;
  readonly limits?: LimitChanges;
  /** See `Connection`; 10 s unless given. */
  readonly reconnectMs?: number;
  /** Ways into the server beside its API; without them a file is uploaded. */
  readonly doors?: LocalTransfers;
}

/** The Ollama runtime, with what follows from its version alone. */
export interface OllamaRuntime extends Runtime {
  readonly kind: 'ollama';
  /** Asks for the version once and looks it up in the compatibility matrix. */
  facts(signal: AbortSignal): Promise<ServerFacts>;
  /** The server's own models folder, proven; or why it is not known, as a whole sentence. Asked once. */
  folder(signal: AbortSignal): Promise<ProvenFolder | { readonly refused: string }>;
}

const RECONNECT_MS = 10_000;

const VersionReply = z.object({ version: z.string().min(1).max(200) });

/** One adapter for every server from 0.1.34 on. */
export function ollamaRuntime({
  host,
  files,
  now,
  http,
  limits,
  reconnectMs,
  doors = {},
}: OllamaOptions): OllamaRuntime {
  const connection: Connection = {
    host,
    // It uses no proxy and keeps no connection for these exchanges, so nothing has to be closed.
    http: http ?? createHttp({ env: {} }).http,
    ...(limits && { limits }),
    reconnectMs: reconnectMs ?? RECONNECT_MS,
  };
  let known: string | undefined;
  const version = async (signal: AbortSignal): Promise<string> => {
    known ??= await askVersion(connection, signal);
    return known;
  };
  const facts = async (signal: AbortSignal) => serverFacts(await version(signal));
  const open = findLocalAccess(connection, doors);
  const storeAt = async (signal: AbortSignal): Promise<StoreAt> => ({
    connection,
    files,
    access: open,
    facts: await facts(signal),
  });
  const callAt = (signal: AbortSignal): ModelCall => ({ connection, facts: () => facts(signal), signal });

  return {
    kind: 'ollama',
    endpoint: host.url,
    facts,
    folder: (signal) => open.folder(signal),
    async identify(signal): Promise<RuntimeIdentity> {
      return { kind: 'ollama', version: await version(signal), endpoint: host.url };
    },
    async find(name, signal) {
      return await findModel(connection, parseModelName(name).text, signal);
    },
    async planTransfer(file, way, signal) {
      return await planTransfer(await storeAt(signal), file, way, signal);
    },
    async *store(request, signal) {
      const name = parseModelName(request.name).text;
      return yield* storeModel(await storeAt(signal), { ...request, name }, signal);
    },
    async *pull(libraryName, signal) {
      const name = parseModelName(libraryName).text;
      return yield* pullModel(connection, name, () => version(signal), signal);
    },
    async names(signal) {
      return (await listModels(connection, signal)).map(({ name }) => name);
    },
    async copy(from, to, signal) {
      await copyModel(connection, parseModelName(from).text, parseModelName(to).text, signal);
    },
    async remove(name, signal) {
      await removeModel(connection, parseModelName(name).text, signal);
    },
    async *chat(request, signal) {
      const name = parseModelName(request.name).text;
      return yield* chatWith({ ...request, name }, now, callAt(signal));
    },
    async render(request, signal) {
      const name = parseModelName(request.name).text;
      return await renderPrompt({ ...request, name }, callAt(signal));
    },
    async countRaw(name, prompt, signal) {
      return await countRawPrompt(parseModelName(name).text, prompt, callAt(signal));
    },
    async loaded(name, signal) {
      return await loadedModel(connection, parseModelName(name).text, signal);
    },
    async loadedModels(signal) {
      return await loadedModels(connection, signal);
    },
    async unload(name, signal) {
      await unloadModel(connection, parseModelName(name).text, signal);
    },
    async close() {},
  };
}

async function askVersion(connection: Connection, signal: AbortSignal): Promise<string> {
  const endpoint = connection.host.url;
  const call = {
    doing: 'asking for its version',
    endpoint,
    signal,
    probing: true,
  };
  const reply = await ask(connection, call, { method: 'GET', path: '/api/version' });
  return cleanText(read(VersionReply, reply, '/api/version', endpoint).version);
}
