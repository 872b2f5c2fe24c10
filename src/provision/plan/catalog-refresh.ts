/**
 * `catalog refresh`: asks the hub what it has now under every source of a catalog, and writes it down. The hub is asked
 * about everything first; files are written at the end, each one whole, so that a run that fails leaves them as they were.
 */

import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { isRaw, textAt } from '../../catalog/json-access.ts';
import { readCatalogFile } from '../../catalog/load.ts';
import type { SourceUpdate } from '../../catalog/schema.ts';
import { signaturePathOf } from '../../catalog/trust.ts';
import { validateCatalogText } from '../../catalog/validate.ts';
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { issueText } from '../../core/parse.ts';
import type { Work } from '../../core/progress.ts';
import { formatDuration } from '../../core/units.ts';
import { realDisk } from '../../disk/disk.ts';
import { waitForRateLimit } from '../../sources/huggingface/rate-limit.ts';
import { parseHubRef } from '../../sources/huggingface/reference.ts';
import { type PinnedSource, type Renewal, renewSources } from '../../sources/huggingface/renew.ts';
import { hubRequest } from '../../sources/huggingface/source.ts';
import type { AppContext } from '../context.ts';
import { openCatalog, refuseInvalid } from './catalog.ts';

const SourceState = z.strictObject({
  ref: z.string(),
  digest: Digest.optional(),
  sizeBytes: z.int().nonnegative().optional(),
});

export const CatalogRefreshData = z.strictObject({
  dryRun: z.boolean(),
  repositories: z.int(),
  sources: z.int(),
  unchanged: z.int(),
  changes: z.array(
    z.strictObject({
      kind: z.enum(['pinned', 'completed', 'moved', 'vanished']),
      /** `gemma-3n-e4b:q4_k_m`, `gemma-4-31b projector f16`. */
      usedBy: z.array(z.string()),
      before: SourceState,
      after: SourceState.optional(),
      why: z.string().optional(),
    }),
  ),
  files: z.array(z.strictObject({ path: z.string(), written: z.boolean() })),
});
export type CatalogRefreshData = z.infer<typeof CatalogRefreshData>;

export interface RefreshRequest {
  /** `--catalog`: files to be changed in place; without any, the built-in families get overlays in the config folder. */
  readonly files: readonly string[];
  readonly dryRun: boolean;
}

/** Something whose sources are refreshed, and how what was found out is written down. */
interface Subject {
  readonly path: string;
  readonly document: unknown;
  /** The text as it is on disk; undefined where there is no file yet. */
  readonly text: string | undefined;
  compose(updates: ReadonlyMap<string, Required<PinnedSource>>): string | undefined;
}

interface UsedSource extends PinnedSource {
  readonly usedBy: string[];
}

/** Throws `bad-usage`, `bad-catalog`, `file-not-found`, `file-access`, and what asking the hub throws. */
export async function* refreshCatalog(app: AppContext, request: RefreshRequest): Work<CatalogRefreshData> {
  const subjects = request.files.length > 0 ? await openFiles(app, request.files) : await openBuiltin(app);
  const sources = new Map<string, UsedSource>();
  for (const { document } of subjects) collectSources(document, sources);
  const byRepository = Map.groupBy(sources.values(), ({ ref }) => parseHubRef(ref).repo);
  const { hub } = await app.bytes();
  const waiting = (ms: number): void => app.warnOnce(`The hub limits requests: waiting for ${formatDuration(ms)}.`);
  const http = waitForRateLimit(hub.http, { sleep: hub.sleep, waiting });
  const renewals: Renewal[] = [];
  for (const [repo, used] of byRepository) {
    yield { type: 'phase', id: repo, title: `Ask about ${repo}`, status: 'started' };
    const { asked, warnings } = await hubRequest(hub, { repo, revision: 'main' });
    for (const message of warnings) app.warnOnce(message);
    renewals.push(...(await renewSources(http, asked, used, app.options.signal)));
    yield { type: 'phase', id: repo, title: `Ask about ${repo}`, status: 'done', detail: `${used.length} sources` };
  }
  const files = await write(app, subjects, renewals, request.dryRun);
  const changes = renewals.flatMap((renewal) =>
    renewal.kind === 'unchanged' ? [] : [changeOf(renewal, sources.get(renewal.before.ref)?.usedBy ?? [])],
  );
  return {
    dryRun: request.dryRun,
    repositories: byRepository.size,
    sources: sources.size,
    unchanged: sources.size - changes.length,
    changes,
    files,
  };
}

function changeOf(
  renewal: Exclude<Renewal, { kind: 'unchanged' }>,
  usedBy: string[],
): CatalogRefreshData['changes'][number] {
  const { ref, digest, sizeBytes } = renewal.before;
  const before = { ref, ...(digest && { digest }), ...(sizeBytes !== undefined && { sizeBytes }) };
  return renewal.kind === 'vanished'
    ? { kind: 'vanished', usedBy, before, why: renewal.why }
    : { kind: renewal.kind, usedBy, before, after: renewal.after };
}

async function openFiles(app: AppContext, files: readonly string[]): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const file of files) {
    await refuseInvalid(app.options.root, app.paths, file);
    const text = await readCatalogFile(app.disk, file);
    const document: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    subjects.push({ path: resolve(file), document, text, compose: (updates) => updatedText(text, document, updates) });
  }
  return subjects;
}

/** The built-in families, whatever was found out before: what a newer catalog says is where it begins. */
async function openBuiltin(app: AppContext): Promise<Subject[]> {
  const keys = app.options.catalogKeys ?? app.settings['catalog-key'] ?? [];
  if (keys.length > 0) {
    throw new ProvisionError('bad-usage', 'This host accepts only signed catalog files (catalog-key).', {
      suggestions: ['Refresh your own file with --catalog FILE, then sign it with gemma-provision catalog sign.'],
    });
  }
  const { families } = await builtin(app);
  return Promise.all(
    families.map(async ({ family }): Promise<Subject> => {
      const path = join(app.paths.config, 'catalog', `sources-${family.id}.json`);
      const text = await app.disk.readText(path);
      if (text !== undefined) requireOverlay(path, text);
      return {
        path,
        document: family,
        text,
        compose(updates) {
          const sourceUpdates = [...updates].map(([was, now]): SourceUpdate => ({ was, now }));
          if (text === undefined && sourceUpdates.length === 0) return undefined;
          return `${JSON.stringify({ schemaVersion: 1, id: family.id, sourceUpdates }, undefined, 2)}\n`;
        },
      };
    }),
  );
}

/** The built-in families alone. */
function builtin(app: AppContext) {
  const { root } = app.options;
  return openCatalog(root, { ...app.paths, config: join(root, 'no-such-folder') }, []);
}

/** A file that a person wrote under that name is not replaced. */
function requireOverlay(path: string, text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const keys = isRaw(value) ? Object.keys(value).filter((key) => !['schemaVersion', 'id'].includes(key)) : [];
  if (keys.length === 1 && keys[0] === 'sourceUpdates') return;
  throw new ProvisionError('bad-usage', `${path} exists and was not written by catalog refresh.`, {
    suggestions: ['Give it another name, then try again.'],
  });
}

/** Every source of the hub in a document, of quants and of projectors, once. */
function collectSources(document: unknown, found: Map<string, UsedSource>): void {
  for (const { item, key, model, source } of sourcesIn(document)) {
    const { ref } = source;
    if (!ref.startsWith('hf:') || parseHubRef(ref).file === undefined) continue;
    const id = textAt(item, 'id') ?? '';
    const owner = key === 'quants' ? `${model}:${id}` : `${model} projector ${id}`;
    const known = found.get(ref);
    if (known !== undefined) known.usedBy.push(owner);
    else found.set(ref, { ...stateOf(source, item), usedBy: [owner] });
  }
}

type RawSource = Record<string, unknown> & { readonly ref: string };

interface FoundSource {
  readonly item: unknown;
  /** What of a model the item is. */
  readonly key: 'quants' | 'projectors';
  readonly model: string;
  readonly source: RawSource;
}

function* sourcesIn(document: unknown): Generator<FoundSource> {
  const models = isRaw(document) && Array.isArray(document.models) ? document.models : [];
  for (const model of models) {
    for (const key of ['quants', 'projectors'] as const) {
      const items: unknown = isRaw(model) ? model[key] : undefined;
      for (const item of Array.isArray(items) ? items : []) {
        const sources: unknown = isRaw(item) ? item.sources : undefined;
        for (const source of Array.isArray(sources) ? sources : [])
          if (isSource(source)) yield { item, key, model: textAt(model, 'id') ?? '', source };
      }
    }
  }
}

function isSource(value: unknown): value is RawSource {
  return isRaw(value) && typeof value.ref === 'string';
}

/** A digest of the quant holds for every source that has none of its own. */
function stateOf(source: RawSource, item: unknown): PinnedSource {
  const digest = Digest.safeParse(source.digest ?? textAt(item, 'digest')).data;
  const { ref, sizeBytes } = source;
  return { ref, ...(digest && { digest }), ...(typeof sizeBytes === 'number' && { sizeBytes }) };
}

async function write(app: AppContext, subjects: readonly Subject[], renewals: readonly Renewal[], dryRun: boolean) {
  const updates = new Map(
    renewals.flatMap((each) => ('after' in each ? [[each.before.ref, each.after] as const] : [])),
  );
  const composed: { subject: Subject; text: string }[] = [];
  const base = await builtin(app);
  for (const subject of subjects) {
    const own = new Set([...sourcesIn(subject.document)].map(({ source }) => source.ref));
    const text = subject.compose(new Map([...updates].filter(([ref]) => own.has(ref))));
    if (text === undefined || text === subject.text) continue;
    const issues = validateCatalogText(subject.path, text, base);
    if (issues.length > 0) {
      const lines = issues.slice(0, 10).map((issue) => `  ${issueText(issue)}`);
      throw new ProvisionError('bad-catalog', `${subject.path} would not be valid any more:\n${lines.join('\n')}`, {
        suggestions: ['Nothing was written. Change the sources by hand.'],
      });
    }
    composed.push({ subject, text });
  }
  for (const { subject, text } of dryRun ? [] : composed) {
    const made = subject.text === undefined || subject.path.startsWith(join(app.paths.config, 'catalog'));
    await (made ? realDisk.replaceText(subject.path, text) : realDisk.replaceOutput(subject.path, text));
    if ((await app.disk.readText(signaturePathOf(subject.path))) !== undefined)
      app.warnOnce(`${subject.path} was signed: sign it again with gemma-provision catalog sign.`);
  }
  return composed.map(({ subject }) => ({ path: subject.path, written: !dryRun }));
}

/** The text of a file with its sources changed and everything else left as it was written. */
function updatedText(
  text: string,
  document: unknown,
  updates: ReadonlyMap<string, Required<PinnedSource>>,
): string | undefined {
  const wanted = updatedDocument(document, updates);
  let edited = text;
  for (const [was, now] of updates) {
    const quoted = JSON.stringify(was).replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    edited = edited.replaceAll(
      new RegExp(String.raw`\{([^{}]*)"ref"\s*:\s*${quoted}[^{}]*\}`, 'g'),
      (_, before: string) => {
        const gap = /^\s*/.exec(before)?.[0] ?? '';
        const members = Object.entries(now).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
        return gap.includes('\n')
          ? `{${gap}${members.join(`,${gap}`)}${gap.replace(/ {2}$|\t$/, '')}}`
          : `{ ${members.join(', ')} }`;
      },
    );
  }
  // A file in an unusual form, or with two sources that became one, is written anew.
  const read = isDeepStrictEqual(JSON.parse(edited.replace(/^\uFEFF/, '')), wanted);
  return read ? edited : `${JSON.stringify(wanted, undefined, 2)}\n`;
}

function updatedDocument(document: unknown, updates: ReadonlyMap<string, Required<PinnedSource>>): unknown {
  const copy: unknown = structuredClone(document);
  for (const { source } of sourcesIn(copy)) {
    const now = updates.get(source.ref);
    if (now !== undefined) Object.assign(source, now);
  }
  for (const { item } of sourcesIn(copy)) {
    if (!isRaw(item) || !Array.isArray(item.sources)) continue;
    const once = new Map(item.sources.map((each: unknown) => [textAt(each, 'ref'), each]));
    if (once.size < item.sources.length) Object.assign(item, { sources: [...once.values()] });
  }
  return copy;
}
