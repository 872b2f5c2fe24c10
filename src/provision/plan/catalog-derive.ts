/**
 * `catalog derive`: a catalog entry from the header of a GGUF file or from a `config.json`, for a person to complete. What
 * neither says is left out, never guessed, so that `catalog validate` names it.
 */
import { basename } from 'node:path';
import * as z from 'zod';
import { configFacts } from '../../catalog/config-shape.ts';
import { findByArchitecture } from '../../catalog/lookup.ts';
import { validateCatalogText } from '../../catalog/validate.ts';
import { defined } from '../../core/defined.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { parseJson } from '../../core/parse.ts';
import type { Work } from '../../core/progress.ts';
import { slug } from '../../core/slug.ts';
import { realDisk } from '../../disk/disk.ts';
import { jsonKind, requireOutput } from '../../disk/output-file.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { readBody, sendFollowing } from '../../net/follow.ts';
import { LARGEST_REFUSAL } from '../../net/limits.ts';
import { type CardData, fetchHubModel, resolveUrl, tokenHeader } from '../../sources/huggingface/hub.ts';
import { parseHubRef } from '../../sources/huggingface/reference.ts';
import { hubRequest } from '../../sources/huggingface/source.ts';
import { resolveSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import { fileNameOf } from './quant-places.ts';
import { chatFormatOf, textOf } from './unlisted.ts';

export const CatalogDeriveData = z.strictObject({
  /** A complete family without what is missing, or an overlay of a family that the catalog has. */
  document: z.record(z.string(), z.json()),
  /** What a person must add, as `catalog validate` reports it. */
  missing: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  /** What is filled in and must be checked. */
  check: z.array(z.string()),
  file: z.string().optional(),
});
export type CatalogDeriveData = z.infer<typeof CatalogDeriveData>;

export interface DeriveRequest {
  readonly ref: string;
  /** `--family`: one of the catalog, which gets a model more, or the id of a new one. */
  readonly family?: string | undefined;
  /** `--id` of the model. */
  readonly id?: string | undefined;
  readonly output?: string | undefined;
  readonly force: boolean;
}

/** What is known of a model, wherever it was read. */
interface Known {
  readonly architecture: string | undefined;
  readonly name: string;
  readonly model: Readonly<Record<string, unknown>>;
  readonly licence: Readonly<Record<string, unknown>>;
  readonly publisher: string | undefined;
  readonly tokens: Readonly<Record<string, unknown>>;
  readonly spoken: string | undefined;
  readonly source: string;
  readonly jinja: string | undefined;
  readonly check: readonly string[];
}

const OUTPUT = jsonKind('a catalog file', 'my-family.json', ['schemaVersion', 'models']);

/** A context that every machine which holds the weights holds as well; the catalog's own models begin there. */
const DEFAULT_CONTEXT = 4096;

/** Throws `bad-usage`, `bad-gguf`, `wrong-architecture`, and what finding and reading the reference throws. */
export async function* deriveCatalog(app: AppContext, request: DeriveRequest): Work<CatalogDeriveData> {
  const { output, force } = request;
  const path =
    output === undefined
      ? undefined
      : await requireOutput(realDisk, { typed: output, flag: '--output', kind: OUTPUT, force });
  const known = isConfig(request.ref) ? await fromConfig(app, request.ref) : yield* fromHeader(app, request.ref);
  const catalog = await app.catalog();
  const { document, check } = compose(known, request, catalog);
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  const missing = validateCatalogText(request.ref, text, catalog).map((each) => ({ ...each }));
  if (path !== undefined) await realDisk.replaceOutput(path, text);
  // What JSON leaves out is not part of the answer either.
  const written: CatalogDeriveData['document'] = JSON.parse(text);
  return { document: written, missing, check: [...known.check, ...check], ...(path !== undefined && { file: path }) };
}

/** A repository of weights without a file, or its `config.json` itself. */
function isConfig(ref: string): boolean {
  if (!ref.startsWith('hf:')) return false;
  const { file } = parseHubRef(ref);
  return file === undefined || basename(file) === 'config.json';
}

function compose(known: Known, request: DeriveRequest, catalog: Awaited<ReturnType<AppContext['catalog']>>) {
  const { architecture } = known;
  const families =
    architecture === undefined ? [] : findByArchitecture(catalog, architecture).map((each) => each.family);
  const named = catalog.families.find(({ family }) => family.id === request.family)?.family;
  const family = request.family === undefined ? families[0] : named;
  if (family !== undefined && architecture !== undefined && family.architecture !== architecture) {
    throw new ProvisionError(
      'wrong-architecture',
      `${request.ref} has the architecture ${architecture}, but the family ${family.id} has ${family.architecture}`,
      { suggestions: ['Pass an id of your own with --family: a new family is derived.'] },
    );
  }
  const id = request.id ?? modelId(known.name, catalog);
  const model = { id, ...known.model, smokeSuite: family?.models.find(({ kind }) => kind === 'instruct')?.smokeSuite };
  const found = chatFormatOf(known.jinja);
  const format = found?.template;
  if (family !== undefined) {
    const formats = [...new Set(family.models.flatMap(({ chat }) => chat?.template ?? []))];
    return {
      document: { schemaVersion: 1, id: family.id, models: [model] },
      check: [
        `licence, chat format, tokens and sampling are those of ${family.id}; the file says${licenceText(known)}`,
        ...(formats.length > 0 && !formats.includes(family.chatTemplate)
          ? [
              `models of ${family.id} have chat formats of their own (${formats.join(', ')}): add chat if this one has, too`,
            ]
          : []),
        ...(format !== undefined && format !== family.chatTemplate
          ? [`its chat template looks like ${format}, but ${family.id} has ${family.chatTemplate}`]
          : []),
      ],
    };
  }
  return {
    document: {
      schemaVersion: 1,
      id: request.family ?? (slug(architecture ?? known.name, 48, { dots: true }) || undefined),
      title: known.name,
      architecture,
      publisher: known.publisher,
      chatTemplate: format,
      tokens: found === undefined ? known.tokens : { ...known.tokens, stop: [found.ends] },
      licence: known.licence,
      policy: { tiers: [], useCases: [] },
      languages: known.spoken === undefined ? undefined : { spoken: known.spoken, source: known.source },
      minimumVersions: [],
      benchmarks: [],
      facts: [],
      models: [model],
    },
    check: [
      ...(format === undefined
        ? []
        : [`chatTemplate: ${format}, because the file's own template begins turns as it does`]),
      ...(format === undefined && known.jinja !== undefined
        ? [`chatTemplate: none of those that ship looks like the file's own template`]
        : []),
      ...(found === undefined ? stopCheck(known) : [`tokens.stop: ${found.ends}, which ends a turn in that format`]),
      'policy: no tiers, so quants are chosen by quality and fit alone',
    ],
  };
}

/** A `config.json` names no tokens: there is nothing to check then, and they are missing. */
function stopCheck({ tokens }: Known): string[] {
  return tokens.stop === undefined
    ? []
    : ['tokens.stop: the end-of-sequence token of the file; add the token that ends a turn if that is another'];
}

function licenceText({ licence }: Known): string {
  const { id } = licence;
  return typeof id === 'string' ? ` the licence ${id}` : ' nothing about a licence';
}

/** From the model's own name; one that is taken gets an addition, since an entry with a known id would replace that model. */
function modelId(name: string, { families }: Awaited<ReturnType<AppContext['catalog']>>): string {
  const base = slug(name, 48, { dots: true }) || 'model';
  const taken = new Set(families.flatMap(({ family }) => family.models.map(({ id }) => id)));
  if (!taken.has(base)) return base;
  for (let number = 2; ; number += 1) if (!taken.has(`${base}-${number}`)) return `${base}-${number}`;
}

async function* fromHeader(app: AppContext, ref: string): Work<Known> {
  const { readSourceHeader } = await import('./header.ts');
  const { sources, http, hash } = await app.bytes();
  const { signal } = app.options;
  const resolved = await resolveSource(sources, { ref, signal });
  if (resolved.kind === 'library')
    throw new ProvisionError('bad-usage', `${ref} is not a file: only the server knows what it would pull`, {
      suggestions: ['Pass a GGUF file, or hf:OWNER/REPO/FILE.gguf.'],
    });
  const header = await readSourceHeader(resolved, { http, signal });
  const fileName = fileNameOf(resolved);
  if (header.hyperparameters === undefined)
    throw new ProvisionError(
      'wrong-architecture',
      `${fileName} does not contain a language model (is it a projector or an adapter?)`,
      {
        suggestions: ['Specify the model file itself.'],
      },
    );
  const isLocal = resolved.kind === 'file';
  const digest =
    resolved.digest ??
    (isLocal ? yield* hash({ ref, path: resolved.path, sizeBytes: resolved.sizeBytes }, 'derive', signal) : undefined);
  const provenance = 'provenance' in resolved ? resolved.provenance : undefined;
  const source = isLocal ? `header of ${fileName}` : `header of ${resolved.pinnedRef}`;
  const quant = quantOf(header, fileName, source, digest, resolved.sizeBytes);
  const place = isLocal ? undefined : [{ ref: resolved.pinnedRef, digest, sizeBytes: resolved.sizeBytes }];
  const text = (key: string) => textOf(header, key);
  const isChat = header.chatTemplate !== undefined;
  const licenceId = text('general.license') ?? provenance?.licence;
  return {
    architecture: header.architecture,
    name: header.name ?? fileName.replace(/\.gguf$/i, ''),
    model: {
      title: header.name ?? fileName,
      kind: isChat ? 'instruct' : 'base',
      baseModel: text('general.base_model.0.name') ?? provenance?.baseModel,
      parameters: { total: parametersOf(header), source: `shapes of the tensors, ${source}` },
      ...shapeParts(header.hyperparameters),
      quants: [{ ...quant, sources: place }],
    },
    licence: {
      id: licenceId,
      title: text('general.license.name') ?? licenceId,
      url: webAddress(text('general.license.link')),
    },
    publisher: text('general.organization'),
    tokens: {
      bos: header.tokenizer.bos,
      stop: header.tokenizer.eos === undefined ? undefined : [header.tokenizer.eos],
    },
    spoken: languagesOf(header),
    source,
    jinja: header.chatTemplate,
    check: [
      isChat
        ? 'kind: instruct, because the file has a chat template'
        : 'kind: base, because the file has no chat template',
      contextCheck(header.hyperparameters.contextLength),
      ...header.assumed.map(({ key, value, basis }) => `${key}: ${value} is assumed, ${basis}`),
      ...header.warnings,
      ...(isLocal
        ? ['sources: none, because the file is on this machine; add hf:, oci: or https: to install it by name']
        : []),
    ],
  };
}

function quantOf(header: GgufFacts, fileName: string, source: string, digest: Digest | undefined, sizeBytes: number) {
  const bytes = header.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  return {
    id: header.declaredQuant?.toLowerCase(),
    file: fileName,
    tensorBytes: { value: bytes, source },
    fileBytes: { value: sizeBytes, source: `size of ${fileName}` },
    digest,
    weights: header.weights,
  };
}

function parametersOf({ tensors }: GgufFacts): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

/** What every entry says alike, once the shape is known. */
function shapeParts(hyperparameters: object & { readonly contextLength?: number }) {
  const { contextLength } = hyperparameters;
  const text = (direction: string) => ({ kind: 'text', direction, detail: 'text', servedByRuntimes: true });
  return {
    hyperparameters,
    modalities: [text('input'), text('output')],
    defaultContext: contextLength === undefined ? undefined : Math.min(contextLength, DEFAULT_CONTEXT),
    corrections: [],
  };
}

function contextCheck(contextLength: number): string {
  return `defaultContext: ${Math.min(contextLength, DEFAULT_CONTEXT)} of at most ${contextLength} tokens`;
}

function webAddress(text: string | undefined): string | undefined {
  return text !== undefined && URL.parse(text)?.protocol === 'https:' ? text : undefined;
}

function languagesOf({ metadata }: GgufFacts): string | undefined {
  const value = metadata.get('general.languages');
  const list = Array.isArray(value) ? value.filter((each) => typeof each === 'string').slice(0, 200) : [];
  return list.length === 0 ? undefined : list.join(', ').slice(0, 1000);
}

async function fromConfig(app: AppContext, ref: string): Promise<Known> {
  const { hub } = await app.bytes();
  const { signal } = app.options;
  const parsed = parseHubRef(ref);
  const { asked } = await hubRequest(hub, parsed);
  const { commit, files, card } = await fetchHubModel(hub.http, asked, signal);
  const file = parsed.file ?? 'config.json';
  if (!files.includes(file)) {
    const ggufs = files.filter((each) => /\.gguf$/i.test(each)).slice(0, 20);
    throw new ProvisionError('source-not-found', `${parsed.repo} has no ${file} at ${parsed.revision}.`, {
      suggestions:
        ggufs.length === 0
          ? ['Name a repository with the weights of the model, or a GGUF file.']
          : [`Name one of its files: hf:${parsed.repo}/${ggufs[0]}`, `It contains: ${ggufs.join(', ')}.`],
    });
  }
  const url = new URL(resolveUrl({ ...asked, revision: commit }, file));
  const { reply } = await sendFollowing(hub.http, { method: 'GET', url, secrets: tokenHeader(asked), signal });
  let text: string;
  try {
    if (reply.status !== 200)
      throw new ProvisionError('remote-fault', `${url.host} refused ${file} of ${parsed.repo} (HTTP ${reply.status})`, {
        suggestions: ['If the repository is gated: accept its licence on its page, and set HF_TOKEN.'],
      });
    text = (await readBody(url, reply, LARGEST_REFUSAL, signal)).toString('utf8');
  } finally {
    await reply.close();
  }
  const config = parseJson(text, { name: `${file} of ${parsed.repo}`, code: 'remote-fault' });
  const { architecture, shape, notes } = configFacts(config);
  const name = parsed.repo.slice(parsed.repo.indexOf('/') + 1);
  const source = `hf:${parsed.repo}@${commit}/${file}`;
  return {
    architecture,
    name,
    model: { title: name, baseModel: parsed.repo, ...shapeParts(shape) },
    licence: licenceOf(card),
    publisher: parsed.repo.slice(0, parsed.repo.indexOf('/')),
    tokens: {},
    spoken: undefined,
    source,
    jinja: undefined,
    check: [
      `hyperparameters: from ${source}`,
      ...notes,
      ...(shape.contextLength === undefined ? [] : [contextCheck(shape.contextLength)]),
      'quants: a config.json says nothing of them; derive one from a GGUF file of this model',
    ],
  };
}

function licenceOf(card: CardData | undefined): Record<string, unknown> {
  const id = typeof card?.license === 'string' && card.license !== 'other' ? card.license : card?.license_name;
  return defined({ id });
}
