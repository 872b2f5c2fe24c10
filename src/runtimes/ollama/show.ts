import * as z from 'zod';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { StoredModel } from '../contract.ts';
import { sameModel } from '../names.ts';
import { parseParameters } from '../parameters.ts';
import { ask, type Connection } from './client.ts';
import { ServerError } from './server-errors.ts';

/** Only what is used; older servers leave fields out, newer ones add some. A field of another type is no Ollama's. */
const ShowReply = z.object({
  modelfile: z.string().optional(),
  template: z.string().optional(),
  parameters: z.string().optional(),
  license: z.string().optional(),
  system: z.string().optional(),
  details: z.object({ family: z.string().optional(), quantization_level: z.string().optional() }).optional(),
  model_info: z.record(z.string(), z.unknown()).nullish(),
  capabilities: z.array(z.string()).nullish(),
});
type ShowReply = z.infer<typeof ShowReply>;

const Entry = z.object({ name: z.string(), digest: z.string(), size: z.number() });
const TagsReply = z.object({ models: z.array(Entry).nullable() });

/** One model of the server's list. */
export interface ListedModel {
  readonly name: string;
  readonly digest?: Digest;
  readonly sizeBytes: number;
}

/** What the server has under a name; undefined when it has nothing. */
export async function findModel(
  connection: Connection,
  name: string,
  signal: AbortSignal,
): Promise<StoredModel | undefined> {
  const shown = await show(connection, name, signal);
  if (shown === undefined) return undefined;
  const listed = await findListed(connection, name, signal);
  const architecture = architectureOf(shown);
  const quant = shown.details?.quantization_level;
  return {
    name,
    ...layerOf(shown.modelfile ?? ''),
    ...(listed?.digest && { entryDigest: listed.digest }),
    ...(listed && { sizeBytes: listed.sizeBytes }),
    ...(architecture && { architecture }),
    ...(quant && { quant }),
    ...addsBosOf(shown),
    ...(shown.template !== undefined && { template: shown.template }),
    ...builtInOf(shown.modelfile ?? ''),
    ...(shown.parameters !== undefined && { parameters: shown.parameters }),
    ...requestedParameters(shown.parameters ?? ''),
    ...(shown.license !== undefined && { license: shown.license }),
    ...(shown.system !== undefined && { system: shown.system }),
    ...(shown.capabilities && { capabilities: shown.capabilities }),
  };
}

/** Stop strings and context length among the parameters. A server that shows no parameters has none. */
function requestedParameters(text: string): Pick<StoredModel, 'stop' | 'contextLength'> {
  const parameters = parseParameters(text);
  const stop = (parameters.get('stop') ?? []).map(String);
  const contextLength = z.int().positive().safeParse(parameters.get('num_ctx')?.at(-1)).data;
  return { stop, ...(contextLength !== undefined && { contextLength }) };
}

async function show(connection: Connection, name: string, signal: AbortSignal): Promise<ShowReply | undefined> {
  const endpoint = connection.host.url;
  const call = { doing: `asking what ${name} is`, endpoint, signal };
  // Servers before 0.1.18 know only `name`, later ones prefer `model`.
  const request = { model: name, name };
  try {
    return read(
      ShowReply,
      await ask(connection, call, { method: 'POST', path: '/api/show', body: request }),
      `/api/show of ${name}`,
      endpoint,
    );
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined;
    throw isUnreadable(thrown) ? unreadableModel(name, endpoint, thrown) : thrown;
  }
}

/** True for the server's failure to read what it has: a full disk leaves a manifest of 0 bytes, a crash half a file. */
export function isUnreadable(thrown: unknown): boolean {
  if (!(thrown instanceof ProvisionError) || !(thrown.cause instanceof ServerError)) return false;
  const { status, message } = thrown.cause;
  return status === 500 && /^(unexpected )?EOF$|invalid character .* (looking for|after|in)/.test(message);
}

/** What to throw for a model that the server has and cannot read. */
export function unreadableModel(name: string, endpoint: string, cause: unknown): ProvisionError {
  return new ProvisionError(
    'needs-repair',
    `${endpoint} has ${name}, but cannot read it: its manifest, or its file, is damaged.`,
    {
      cause,
      suggestions: [
        'Repair it: gemma-provision repair. Or install it again.',
        "Free space on the disk of the server's models folder first: a full disk corrupts manifests.",
      ],
    },
  );
}

/** True for the server's "there is no such model". A 404 for a route that is not there has no JSON and other words. */
export function isAbsent(thrown: unknown): boolean {
  return (
    thrown instanceof ProvisionError &&
    thrown.cause instanceof ServerError &&
    thrown.cause.status === 404 &&
    /not found/i.test(thrown.cause.message) &&
    !/page not found/i.test(thrown.cause.message)
  );
}

/** The entry of the server's list; cheap, and the only call that reports the manifest's digest. */
export async function findListed(
  connection: Connection,
  name: string,
  signal: AbortSignal,
): Promise<ListedModel | undefined> {
  return (await listModels(connection, signal)).find((listed) => sameModel(listed.name, name));
}

/** All models that the server lists: those whose manifests are sound. */
export async function listModels(connection: Connection, signal: AbortSignal): Promise<ListedModel[]> {
  const endpoint = connection.host.url;
  const call = { doing: 'listing the models', endpoint, signal };
  const { models } = read(
    TagsReply,
    await ask(connection, call, { method: 'GET', path: '/api/tags' }),
    '/api/tags',
    endpoint,
  );
  return (models ?? []).map(({ name, size, digest: text }) => {
    const digest = digestFrom(text);
    return { name, sizeBytes: size, ...(digest && { digest }) };
  });
}

function digestFrom(text: string): Digest | undefined {
  const hex = /^(?:sha256[:-])?([0-9a-f]{64})$/.exec(text)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** The layers, from the first FROM lines. A later one may be text of a licence. */
function layerOf(modelfile: string): Pick<StoredModel, 'layerPath' | 'layerDigest' | 'projectorDigest'> {
  const [layerPath = '', projectorPath = ''] = filesOf(modelfile);
  const layerDigest = digestAtEnd(layerPath);
  const projectorDigest = digestAtEnd(projectorPath);
  if (layerDigest === undefined) return {};
  return { layerPath, layerDigest, ...(projectorDigest !== undefined && { projectorDigest }) };
}

/** The files of the FROM lines that stand together: the model's and, from another FROM, that of its projector. */
function filesOf(modelfile: string): string[] {
  const lines = modelfile.split('\n');
  const first = lines.findIndex((line) => line.startsWith('FROM '));
  if (first < 0) return [];
  const after = lines.slice(first).findIndex((line) => !/^(?:FROM|ADAPTER|DRAFT) /.test(line));
  const block = lines.slice(first, after < 0 ? undefined : first + after);
  return block.filter((line) => line.startsWith('FROM ')).map((line) => line.slice('FROM '.length).trim());
}

function digestAtEnd(path: string): Digest | undefined {
  return digestFrom(/sha256[-:][0-9a-f]{64}$/.exec(path)?.[0] ?? '');
}

/** RENDERER and PARSER; a template, a system text or a licence may hold such lines too, and come in quotes of three. */
function builtInOf(modelfile: string): Pick<StoredModel, 'renderer' | 'parser'> {
  const commands = modelfile.replace(/"""[\s\S]*?"""/g, '');
  const [renderer, parser] = ['RENDERER', 'PARSER'].map(
    (word) => new RegExp(`^${word} (\\S+)$`, 'm').exec(commands)?.[1],
  );
  return { ...(renderer !== undefined && { renderer }), ...(parser !== undefined && { parser }) };
}

/** A key of the file's metadata, which show reports since 0.1.45. */
function addsBosOf({ model_info: info }: ShowReply): { addsBos?: boolean } {
  const addsBos = info?.['tokenizer.ggml.add_bos_token'];
  return typeof addsBos === 'boolean' ? { addsBos } : {};
}

function architectureOf({ model_info: info, details }: ShowReply): string | undefined {
  const architecture = info?.['general.architecture'];
  return typeof architecture === 'string' ? architecture : details?.family || undefined;
}

/** Checks a reply; a field of another type means that something else than Ollama answers. */
export function read<Schema extends z.ZodType>(
  schema: Schema,
  reply: unknown,
  what: string,
  endpoint: string,
): z.output<Schema> {
  const result = schema.safeParse(reply);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.map(String).join('.') ?? '';
  throw new ProvisionError(
    'runtime-not-ollama',
    `${endpoint} did not answer like an Ollama server to ${what}: ${where === '' ? 'the reply' : where}: ${issue?.message}`,
    { cause: result.error, suggestions: ['Check host and port: --host HOST or OLLAMA_HOST.'] },
  );
}
