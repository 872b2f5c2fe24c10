/** `bench quality`: how far the quants of a model are from its reference file, by the engine's own probabilities. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { resolveModel, resolveQuant } from '../../catalog/lookup.ts';
import type { Model, Quant } from '../../catalog/schema.ts';
import { Digest, digestOf } from '../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import type { Disk } from '../../disk/disk.ts';
import { makePrivateFolder } from '../../disk/folders.ts';
import { withLock } from '../../disk/lock.ts';
import { keepMeasurements, Mean, type QualityMeasurement } from '../../registry/measurements.ts';
import type { OpenRuntime, Score, ScoreRequest } from '../../runtimes/contract.ts';
import type { LocalFile, ResolvedSource } from '../../sources/contract.ts';
import { parseHubRef } from '../../sources/huggingface/reference.ts';
import { findSource, resolveSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import type { SourceFile } from '../plan/contract.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { checkHeader, checkQuant, type Identified } from '../plan/identify.ts';
import { locationOf } from '../plan/quant-places.ts';

export const QualityRow = z.strictObject({
  quant: z.string(),
  digest: Digest,
  sizeBytes: z.int().nonnegative(),
  /** KL divergence from the reference over the whole vocabulary, in nats. */
  divergence: Mean,
  /** Share of positions, 0 to 1, at which both find the same token likeliest. */
  agreement: Mean,
});
export type QualityRow = z.infer<typeof QualityRow>;

export const QualityData = z.strictObject({
  model: z.string(),
  reference: z.strictObject({ quant: z.string(), digest: Digest, sizeBytes: z.int().nonnegative() }),
  text: z.strictObject({ name: z.string(), digest: Digest }),
  /** Positions of the text that were compared. */
  positions: z.int().positive(),
  engine: z.string(),
  /** Best first. */
  quants: z.array(QualityRow),
});
export type QualityData = z.infer<typeof QualityData>;

export interface QualityRequest {
  readonly model: string;
  /** The quant that all others are compared with. */
  readonly against: string;
  /** Those to measure; all that are on this machine unless given. */
  readonly quants?: readonly string[] | undefined;
  /** A folder or repository with the files; the catalog's own unless given. */
  readonly from?: string | undefined;
  /** Path of a text of the user's own. */
  readonly text?: string | undefined;
  readonly positions: number;
}

/** Of this package. */
const TEXT = 'catalog/texts/quality.txt';

interface Wanted {
  readonly against: Quant;
  readonly named: readonly Quant[];
  readonly from: string | undefined;
}

/** Where the file of a quant is. */
interface Place {
  readonly quant: string;
  readonly file: SourceFile;
}

/** A file of a quant on this machine. */
interface QuantFile extends LocalFile {
  readonly quant: string;
  readonly digest: Digest;
}

/**
 * Measures on the embedded engine, records what was measured under the digests of the files, and returns it. Throws
 * `quant-not-found`, `source-not-found`, `bad-usage` for files that cannot be compared, and what fetching and loading throw.
 */
export async function* measureQuality(app: AppContext, request: QualityRequest): Work<QualityData> {
  const { family, model, quant } = resolveModel(await app.catalog(), request.model);
  const against = resolveQuant(model, request.against);
  const named = [
    ...(quant === undefined ? [] : [quant]),
    ...(request.quants ?? []).map((id) => resolveQuant(model, id)),
  ];
  const text = await textOf(app, request.text);
  if (request.from !== undefined) await requireFolder(app, request.from);
  // All is found and its header checked before the first gigabyte is fetched.
  const places = await candidates(app, model, { against, named, from: request.from });
  const place = await placeOf(app, against, request.from, true);
  if (place === undefined) throw noFile(model, against.id);
  await checkFiles(app, { family, model }, [place, ...places]);
  const reference = yield* fileAt(app, place);
  const files: QuantFile[] = [];
  for (const each of places) {
    const file = yield* fileAt(app, each);
    if (file.digest !== reference.digest) files.push(file);
    else app.warnOnce(`${file.quant} is not compared: its file has the same bytes as that of ${reference.quant}.`);
  }
  if (files.length === 0) throw nothingToCompare(model);
  const opened = await app.open({ runtime: 'embedded' });
  const { version } = opened.identity;
  const scores = join(app.paths.cache, `${SCORES}${process.pid}-${randomUUID()}`);
  const scoring = { app, opened, text: text.content, positions: request.positions, scores };
  await makePrivateFolder(app.disk, app.paths.cache);
  await dropAbandoned(app.disk, app.paths.cache);
  const rows = Math.min(request.positions, Buffer.byteLength(text.content));
  await requireSpace(app.disk, app.paths.cache, rows * model.hyperparameters.vocabularySize * 4);
  try {
    const wanted = yield* scored(reference, 'reference', scoring);
    const rows: QualityRow[] = [];
    for (const file of files) {
      const got = yield* scored(file, 'candidate', scoring);
      if (got.tokens !== wanted.tokens) throw otherTokens(file, reference);
      rows.push({ ...described(file), divergence: got.divergence, agreement: got.agreement });
    }
    rows.sort((a, b) => a.divergence.mean - b.divergence.mean);
    const data: QualityData = {
      model: model.id,
      reference: described(reference),
      text: { name: text.name, digest: text.digest },
      positions: wanted.positions,
      engine: version,
      quants: rows,
    };
    await keep(app, data);
    return data;
  } finally {
    await app.disk.rm(scores, { force: true });
  }
}

const SCORES = 'scores-';

/** Removes what runs left that were killed: the name of such a file says which process made it. */
export async function dropAbandoned(disk: Pick<Disk, 'readdir' | 'rm'>, folder: string): Promise<void> {
  for (const name of await disk.readdir(folder)) {
    const [, pid] = /^scores-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await disk.rm(join(folder, name), { force: true });
  }
}

/** A process of another user is alive too. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Throws `disk-full` where the reference's probabilities have no room. A text has at most as many positions as bytes. */
export async function requireSpace(disk: Pick<Disk, 'space'>, folder: string, bytes: number): Promise<void> {
  const { free } = await disk.space(folder);
  if (free >= bytes) return;
  throw new ProvisionError(
    'disk-full',
    `The reference's probabilities need up to ${formatBytes(bytes)} in ${folder}, and ${formatBytes(free)} are free.`,
    { suggestions: ['Compare fewer positions with --positions.', 'Or free disk space.'] },
  );
}

/** Throws `bad-usage` for a single file, which cannot be several quants, and `source-not-found` for a folder that is not there. */
async function requireFolder(app: AppContext, from: string): Promise<void> {
  const { sources } = await app.bytes();
  const source = findSource(sources, from);
  const isRepository = source.scheme === 'hf' && parseHubRef(from).file === undefined;
  if (isRepository || (await source.list?.(from)) !== undefined) return;
  throw new ProvisionError('bad-usage', `${from} is not a folder or repository, but more than one file is compared`, {
    suggestions: ['Pass the folder that contains the files of the model, or hf:OWNER/REPO.'],
  });
}

/** Throws `wrong-architecture` and `bad-usage` for a file that is another model or another quant than it is taken for. */
async function checkFiles(app: AppContext, identified: Identified, places: readonly Place[]): Promise<void> {
  const { http } = await app.bytes();
  for (const { quant, file } of places) {
    const header = await readInstallableHeader(file, { http, signal: app.options.signal });
    checkHeader(identified, header, locationOf(file));
    checkQuant(identified.model, quant, header, locationOf(file));
  }
}

/** Everything that `--quant` names, else what lies on this machine, but the reference. */
async function candidates(app: AppContext, model: Model, { against, named, from }: Wanted): Promise<readonly Place[]> {
  const wanted = (named.length > 0 ? named : model.quants).filter(({ id }) => id !== against.id);
  if (wanted.length === 0) {
    throw new ProvisionError('bad-usage', `${against.id} is the reference: it is not compared with itself`, {
      suggestions: ['Name another quant with --quant, or another reference with --against.'],
    });
  }
  const places: Place[] = [];
  for (const quant of wanted) {
    const place = await placeOf(app, quant, from, named.length > 0);
    if (place !== undefined) places.push(place);
    else if (named.length > 0) throw noFile(model, quant.id);
  }
  if (places.length === 0) throw nothingToCompare(model);
  return places;
}

function nothingToCompare(model: Model): ProvisionError {
  return new ProvisionError('source-not-found', `there is no quant of ${model.id} on this machine to compare`, {
    suggestions: [`Name those to fetch: --quant ${model.quants.at(-1)?.id ?? 'QUANT'}, or pass a folder with --from.`],
  });
}

function noFile(model: Model, quant: string): ProvisionError {
  return new ProvisionError('source-not-found', `there is no file of ${model.id}:${quant}`, {
    suggestions: ['Pass a folder or repository that contains it: --from ./models'],
  });
}

/** Where a quant's file is; one that is not on this machine counts as absent unless it may be fetched. */
async function placeOf(
  app: AppContext,
  quant: Quant,
  from: string | undefined,
  mayFetch: boolean,
): Promise<Place | undefined> {
  const { signal, root } = app.options;
  const { sources } = await app.bytes();
  const [source] = quant.sources ?? [];
  const bundled = quant.bundled === undefined ? undefined : join(root, quant.bundled);
  const ref = from ?? bundled ?? source?.ref;
  if (ref === undefined) return undefined;
  const digest = from === undefined ? (source?.digest ?? quant.digest) : undefined;
  let file: ResolvedSource;
  try {
    const expected = digest === undefined ? {} : { expected: { digest } };
    file = await resolveSource(sources, { ref, fileName: quant.file, ...expected, signal });
  } catch (error) {
    if (error instanceof ProvisionError && (error.code === 'source-not-found' || !mayFetch)) return undefined;
    throw error;
  }
  if (file.kind === 'library' || (file.kind === 'remote' && !mayFetch)) return undefined;
  return { quant: quant.id, file };
}

/** A file with its digest, fetched where it is not on this machine. */
async function* fileAt(app: AppContext, { quant, file: found }: Place): Work<QuantFile> {
  const { signal } = app.options;
  const { fetch, hash } = await app.bytes();
  const file = found.kind === 'remote' ? yield* fetch(found, signal) : found;
  return { ...file, quant, digest: file.digest ?? (yield* hash(file, 'hash', signal)) };
}

interface Scoring {
  readonly app: AppContext;
  readonly opened: OpenRuntime;
  readonly text: string;
  readonly positions: number;
  readonly scores: string;
}

interface Scored {
  readonly tokens: Digest;
  readonly positions: number;
  readonly divergence: Mean;
  readonly agreement: Mean;
}

async function* scored(
  { path: modelPath, quant }: QuantFile,
  role: ScoreRequest['role'],
  { app, opened, text, positions, scores }: Scoring,
): Work<Scored> {
  const { score } = opened.runtime;
  if (score === undefined) throw new TypeError('the embedded engine shows its probabilities');
  const title = role === 'reference' ? `reading the text with ${quant}` : `comparing ${quant}`;
  yield { type: 'phase', id: `score-${quant}`, title, status: 'started' };
  const found: Score[] = [];
  const run = score({ modelPath, text, positions, scores, role }, app.options.signal);
  try {
    for (;;) {
      const step = await run.next();
      if (!step.done) {
        found.push(step.value);
        continue;
      }
      yield { type: 'phase', id: `score-${quant}`, title, status: 'done', detail: `${found.length} positions` };
      return {
        tokens: step.value.tokens,
        positions: found.length,
        divergence: meanOf(found.map(({ divergence }) => divergence)),
        agreement: meanOf(found.map(({ agrees }) => Number(agrees))),
      };
    }
  } finally {
    await run.return(undefined as never);
  }
}

/** The mean with its standard error: the deviation of one value, divided by the root of how many there are. */
export function meanOf(values: readonly number[]): Mean {
  const count = Math.max(1, values.length);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / Math.max(1, count - 1) / count) };
}

function described({ quant, digest, sizeBytes }: QuantFile) {
  return { quant, digest, sizeBytes };
}

async function textOf(app: AppContext, own: string | undefined) {
  const path = own ?? join(app.options.root, TEXT);
  try {
    const content = await app.disk.readFile(path, 'utf8');
    return { name: own ?? 'the text that ships with this tool', content, digest: digestOf(content) };
  } catch (cause) {
    throw new ProvisionError('source-not-found', `${path} cannot be read`, {
      cause,
      suggestions: ['Pass a plain text file: --text FILE'],
    });
  }
}

async function keep(app: AppContext, data: QualityData): Promise<void> {
  const [registry, locker] = await Promise.all([app.registry(), app.locker()]);
  const at = new Date().toISOString();
  const { text, positions, engine, reference } = data;
  const measured = data.quants.map(
    ({ digest, divergence, agreement }): QualityMeasurement => ({
      digest,
      reference: reference.digest,
      referenceQuant: reference.quant,
      text: text.digest,
      textName: text.name,
      positions,
      divergence,
      agreement,
      engine,
      at,
    }),
  );
  await withLock(locker, 'quality', app.options.signal, () => keepMeasurements(registry, measured));
}

function otherTokens(file: QuantFile, reference: QuantFile): ProvisionError {
  return new ProvisionError('bad-usage', `${file.quant} splits the text into other tokens than ${reference.quant}`, {
    suggestions: [
      `Compare files of one publisher: ${file.path} (${formatBytes(file.sizeBytes)}) has another tokenizer.`,
    ],
  });
}
