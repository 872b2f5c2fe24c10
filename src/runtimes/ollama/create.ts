import * as z from 'zod';
import type { ServerFacts } from '../../compat/lookup.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';
import { type Connection, stream } from './client.ts';
import { modelfileText } from './legacy.ts';
import { cleanText, ServerError } from './server-errors.ts';

export interface CreateRequest {
  readonly name: string;
  readonly digest: Digest;
  readonly projector?: Digest;
  readonly spec: ModelSpec;
  /** A model on the server that is nothing but the blob: its file is taken as it is, where a blob's may be rewritten. */
  readonly from?: string;
}

const StatusLine = z.object({ status: z.string().optional() });

/**
 * Creates a model from a blob that the server has, by the protocol of its version. Succeeds only when the stream says
 * `success` and no line before it said `error`. Throws what the server's words mean, see errors.ts.
 */
export async function* createModel(
  connection: Connection,
  request: CreateRequest,
  facts: ServerFacts,
  signal: AbortSignal,
): Work<void> {
  const { name } = request;
  const call = {
    doing: `creating ${name}`,
    endpoint: connection.host.url,
    signal,
    kind: 'creation',
  } as const;
  const body = bodyOf(request, facts);
  for await (const line of stream(connection, call, { method: 'POST', path: '/api/create', body })) {
    const status = StatusLine.safeParse(line).data?.status;
    if (status === undefined) continue;
    yield { type: 'phase', id: 'create', title: `create ${name}`, status: 'started', detail: cleanText(status) };
  }
}

/** Both `model` and `name`: servers before 0.1.21 know only the second, later ones prefer the first. */
function bodyOf({ name, digest, projector, spec, from }: CreateRequest, facts: ServerFacts) {
  if (facts.createProtocol === 'modelfile') return { model: name, name, modelfile: modelfileText(digest, spec) };
  return {
    model: name,
    name,
    // 0.5.5 wants the ending, 0.5.13 a path without folders.
    ...(from === undefined
      ? { files: { 'model.gguf': digest, ...(projector && { 'projector.gguf': projector }) } }
      : { from }),
    ...formatFields(spec, facts),
    parameters: spec.parameters,
    ...(spec.license !== '' && { license: spec.license }),
    ...(spec.system !== undefined && { system: spec.system }),
  };
}

/** Where the server has the model's format built in, its name is sent instead of a template, which would have no effect. */
function formatFields({ template, builtIn }: ModelSpec, facts: ServerFacts) {
  if (builtIn === undefined) return { template };
  const renderer = facts.renderers.get(builtIn.renderer) ?? builtIn.renderer;
  // Under a stand-in's name the model asks no more than this server gives.
  const requires = renderer === builtIn.renderer ? builtIn.requires : undefined;
  return { renderer, parser: builtIn.parser, ...(requires !== undefined && { requires }) };
}

/**
 * True when the create may have failed because the blob is gone: another client deleted the last model that used it.
 * Old servers take a blob that they do not have for a model of the library, and try to pull that.
 */
export function blobVanished(thrown: unknown, digest: Digest): boolean {
  if (!(thrown instanceof ProvisionError && thrown.cause instanceof ServerError)) return false;
  const { message } = thrown.cause;
  if (message.startsWith('pull model manifest')) return true;
  const missing = /no such file|cannot find the (file|path)|does not exist/i.test(message);
  return missing && message.includes(digest.slice('sha256:'.length));
}
