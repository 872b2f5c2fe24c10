import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { drive, type ProgressEvent } from '../../core/progress.ts';
import { redactReference } from '../../core/redact.ts';
import { formatBytes } from '../../core/units.ts';
import type { KnownRef, LocalFile, ResolvedSource, ResolveRequest, Source } from '../contract.ts';
import type { WantedBytes } from '../stores/contract.ts';
import type { FindStored } from '../stores/find.ts';
import type { RecallRef } from '../stores/hub-snapshot.ts';
import type { Cache } from './index.ts';
import type { CachedRef } from './schema.ts';

/** Errors of the network or of a failing server, after which the last known state may be used. */
const UNREACHABLE = ['network', 'remote-fault'];

/** Where bytes are before anything is asked of a network. */
export interface BytesHere {
  readonly cache: Cache;
  /** In the stores of other tools; they are not searched unless given. */
  readonly findStored?: FindStored;
  /** What a reference meant when another tool fetched it, for a source that cannot be asked. */
  readonly recall?: RecallRef;
  /** No source is asked: what is not on this machine is an error. */
  readonly offline?: boolean;
}

/**
 * A source that looks on this machine first, in the cache and then in the stores of other tools: a file that is there
 * comes from there, and a reference that names the same bytes permanently is not requested again. When the source cannot
 * be reached, a branch or tag means what it meant last, with a warning.
 */
export function cachedSource(source: Source, here: BytesHere): Source {
  if (source.known === undefined) return source;
  return { ...source, resolve: (request) => resolveCached(source, here, request) };
}

async function resolveCached(source: Source, here: BytesHere, request: ResolveRequest): Promise<ResolvedSource> {
  const known = source.known?.(request);
  const hit = await fromMemory(here, request, known);
  if (hit !== undefined) return hit;
  let resolved: ResolvedSource;
  try {
    if (here.offline === true) throw notHere(request, known);
    resolved = await source.resolve(request);
  } catch (error) {
    request.signal.throwIfAborted();
    const last = await lastSeen(here, request, known, error);
    if (last === undefined) throw error;
    return last;
  }
  return resolved.kind === 'remote' ? fromHereOrRemote(source, here, request, known, resolved) : resolved;
}

/** Without a network: the digest is known beforehand, or the reference is fixed and was met before. */
async function fromMemory(
  here: BytesHere,
  request: ResolveRequest,
  known: KnownRef | undefined,
): Promise<ResolvedSource | undefined> {
  const { refs } = here.cache;
  const wanted = request.expected?.digest ?? known?.digest;
  const entry = known === undefined ? undefined : await refs.find(known.key);
  const digest = wanted ?? (known?.fixed === true ? entry?.digest : undefined);
  if (digest === undefined) return undefined;
  const meant = entry?.digest === digest ? entry : (await refs.ofDigest(digest)).at(-1);
  const sizeBytes = request.expected?.sizeBytes ?? meant?.sizeBytes;
  const looked = await findHere(here, { digest, sizeBytes, fileName: nameOf(request, known, meant) }, request.signal);
  if (looked.file === undefined) return undefined;
  return localFile(request, known, looked.file, meant, looked.warnings);
}

function nameOf(request: ResolveRequest, known: KnownRef | undefined, entry: CachedRef | undefined) {
  return known?.fileName ?? entry?.fileName ?? request.fileName;
}

async function lastSeen(
  here: BytesHere,
  request: ResolveRequest,
  known: KnownRef | undefined,
  error: unknown,
): Promise<ResolvedSource | undefined> {
  if (known === undefined || !(error instanceof ProvisionError) || !UNREACHABLE.includes(error.code)) return undefined;
  const why = here.offline === true ? 'is not asked (--offline)' : `is not reachable (${error.message})`;
  const entry = await here.cache.refs.find(known.key);
  if (entry === undefined) return recalled(here, request, known, why);
  if ((request.expected?.digest ?? entry.digest) !== entry.digest) return undefined;
  const { file, warnings } = await findHere(here, entry, request.signal);
  if (file === undefined) return undefined;
  const warning = `${known.ref} ${why}; using its state of ${entry.at.slice(0, 10)}: ${entry.pinnedRef}`;
  return localFile(request, known, file, entry, [...warnings, warning]);
}

/** What another tool fetched under the reference. Its store says which digest that has; nobody else was asked. */
async function recalled(
  here: BytesHere,
  request: ResolveRequest,
  known: KnownRef,
  why: string,
): Promise<ResolvedSource | undefined> {
  const recall = await here.recall?.(known.key);
  if (recall === undefined || (request.expected?.digest ?? recall.digest) !== recall.digest) return undefined;
  const { file, warnings } = await findHere(
    here,
    { ...recall, ...request.expected, digest: recall.digest },
    request.signal,
  );
  if (file === undefined) return undefined;
  const warning = `${known.ref} ${why}; using what another tool fetched for it: ${recall.pinnedRef}`;
  const found = localFile(request, known, file, undefined, [...warnings, warning]);
  return { ...found, pinnedRef: recall.pinnedRef };
}

async function fromHereOrRemote(
  source: Source,
  here: BytesHere,
  request: ResolveRequest,
  known: KnownRef | undefined,
  resolved: Extract<ResolvedSource, { kind: 'remote' }>,
): Promise<ResolvedSource> {
  const { file, warnings } = await findHere(here, resolved, request.signal);
  const allWarnings = [...(resolved.warnings ?? []), ...warnings];
  if (file === undefined) {
    await source.requireAccess?.(resolved, request.signal);
    const rememberAs = known === undefined ? {} : { rememberAs: known.key };
    return { ...resolved, ...rememberAs, ...(allWarnings.length > 0 && { warnings: allWarnings }) };
  }
  const { cache } = here;
  const { pinnedRef, digest, sizeBytes, fileName, provenance } = resolved;
  const entry = { ref: known?.key ?? pinnedRef, pinnedRef, digest, sizeBytes, fileName, at: cache.now().toISOString() };
  const full = { ...entry, ...(provenance && { provenance }) };
  await cache.refs.remember(full, request.signal);
  return localFile({ ref: resolved.ref }, undefined, file, full, allWarnings);
}

/** A verified file of this machine: of our cache, or of another tool's store. */
type FileHere = Pick<LocalFile, 'path' | 'sizeBytes' | 'immutable' | 'servedBy'> & { readonly digest: Digest };

/** A corrupt file counts as none; what is said of it is passed on. */
async function findHere(
  { cache, findStored }: BytesHere,
  wanted: WantedBytes,
  signal: AbortSignal,
): Promise<{ file: FileHere | undefined; warnings: string[] }> {
  const warnings: string[] = [];
  const collect = (event: ProgressEvent) => {
    if (event.type === 'warning') warnings.push(event.message);
  };
  const cached = await drive(cache.find(wanted.digest, signal), collect);
  if (cached !== undefined) return { file: { ...cached, immutable: true }, warnings };
  const stored = findStored && (await drive(findStored(wanted, signal), collect));
  if (stored === undefined) return { file: undefined, warnings };
  const { store: servedBy, ...file } = stored;
  return { file: { ...file, servedBy }, warnings };
}

/** What is missing, and what would fetch it. */
function notHere({ ref, expected }: ResolveRequest, known: KnownRef | undefined): ProvisionError {
  const size = expected?.sizeBytes === undefined ? undefined : formatBytes(expected.sizeBytes);
  const facts = [size, expected?.digest ?? known?.digest].filter((fact) => fact !== undefined).join(', ');
  const shown = known?.ref ?? redactReference(ref);
  const missing = facts === '' ? shown : `${shown} (${facts})`;
  return new ProvisionError(
    'network',
    `${missing} is not on this machine, and nothing may be downloaded (--offline).`,
    {
      suggestions: [
        `Fetch it while there is a network: gemma-provision pull ${shown}`,
        'Or copy the file here and pass its path with --from.',
        'Or leave --offline out: it may also be set by GEMMA_PROVISION_OFFLINE or in config.json.',
      ],
    },
  );
}

/** The remembered facts, else what the reference itself states. */
function localFile(
  request: Pick<ResolveRequest, 'ref'>,
  known: KnownRef | undefined,
  file: FileHere,
  entry: CachedRef | undefined,
  warnings: readonly string[],
): Extract<ResolvedSource, { kind: 'file' }> {
  const fileName = entry?.fileName ?? known?.fileName;
  const pinnedRef = entry?.pinnedRef ?? (known?.fixed === true ? known.key : undefined);
  return {
    kind: 'file',
    ref: known?.ref ?? request.ref,
    ...file,
    ...(fileName !== undefined && { fileName }),
    ...(pinnedRef !== undefined && { pinnedRef }),
    ...(entry?.provenance && { provenance: provenanceOf(entry.provenance) }),
    ...(warnings.length > 0 && { warnings }),
  };
}

function provenanceOf({ licence, baseModel, quantiser }: NonNullable<CachedRef['provenance']>) {
  return {
    ...(licence !== undefined && { licence }),
    ...(baseModel !== undefined && { baseModel }),
    ...(quantiser !== undefined && { quantiser }),
  };
}
