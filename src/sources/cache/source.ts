import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { drive } from '../../core/progress.ts';
import type { KnownRef, ResolvedSource, ResolveRequest, Source } from '../contract.ts';
import type { Cache } from './index.ts';
import type { CachedRef } from './schema.ts';
import type { VerifiedBlob } from './verified-blob.ts';

/** Errors of the network or of a failing server, after which the last known state may be used. */
const OFFLINE = ['network', 'remote-fault'];

/**
 * A source that looks into the cache: a file that is there comes from there, and a reference that names the same bytes
 * permanently is not requested again. When the source cannot be reached, a branch or tag means what it meant last, with a warning.
 */
export function cachedSource(source: Source, cache: Cache): Source {
  if (source.known === undefined) return source;
  return { ...source, resolve: (request) => resolveCached(source, cache, request) };
}

async function resolveCached(source: Source, cache: Cache, request: ResolveRequest): Promise<ResolvedSource> {
  const known = source.known?.(request);
  const hit = await fromMemory(cache, request, known);
  if (hit !== undefined) return hit;
  let resolved: ResolvedSource;
  try {
    resolved = await source.resolve(request);
  } catch (error) {
    request.signal.throwIfAborted();
    const last = await lastSeen(cache, request, known, error);
    if (last === undefined) throw error;
    return last;
  }
  return resolved.kind === 'remote' ? fromCacheOrRemote(source, cache, request, known, resolved) : resolved;
}

/** Without a network: the digest is known beforehand, or the reference is fixed and was met before. */
async function fromMemory(
  cache: Cache,
  request: ResolveRequest,
  known: KnownRef | undefined,
): Promise<ResolvedSource | undefined> {
  const wanted = request.expected?.digest ?? known?.digest;
  const entry = known === undefined ? undefined : await cache.refs.find(known.key);
  const digest = wanted ?? (known?.fixed === true ? entry?.digest : undefined);
  if (digest === undefined) return undefined;
  const looked = await findInCache(cache, digest, request.signal);
  if (looked.blob === undefined) return undefined;
  const meant = entry?.digest === digest ? entry : (await cache.refs.ofDigest(digest)).at(-1);
  return localFile(request, known, looked.blob, meant, looked.warnings);
}

async function lastSeen(
  cache: Cache,
  request: ResolveRequest,
  known: KnownRef | undefined,
  error: unknown,
): Promise<ResolvedSource | undefined> {
  if (known === undefined || !(error instanceof ProvisionError) || !OFFLINE.includes(error.code)) return undefined;
  const entry = await cache.refs.find(known.key);
  if (entry === undefined || (request.expected?.digest ?? entry.digest) !== entry.digest) return undefined;
  const { blob, warnings } = await findInCache(cache, entry.digest, request.signal);
  if (blob === undefined) return undefined;
  const warning = `${known.ref} is not reachable (${error.message}); using its state of ${entry.at.slice(0, 10)}: ${entry.pinnedRef}`;
  return localFile(request, known, blob, entry, [...warnings, warning]);
}

async function fromCacheOrRemote(
  source: Source,
  cache: Cache,
  request: ResolveRequest,
  known: KnownRef | undefined,
  resolved: Extract<ResolvedSource, { kind: 'remote' }>,
): Promise<ResolvedSource> {
  const { blob, warnings } = await findInCache(cache, resolved.digest, request.signal);
  const allWarnings = [...(resolved.warnings ?? []), ...warnings];
  if (blob === undefined) {
    await source.requireAccess?.(resolved, request.signal);
    const rememberAs = known === undefined ? {} : { rememberAs: known.key };
    return { ...resolved, ...rememberAs, ...(allWarnings.length > 0 && { warnings: allWarnings }) };
  }
  const { pinnedRef, digest, sizeBytes, fileName, provenance } = resolved;
  const entry = { ref: known?.key ?? pinnedRef, pinnedRef, digest, sizeBytes, fileName, at: cache.now().toISOString() };
  const full = { ...entry, ...(provenance && { provenance }) };
  await cache.refs.remember(full, request.signal);
  return localFile({ ref: resolved.ref }, undefined, blob, full, allWarnings);
}

/** A corrupt file counts as none; what is said of it is handed on. */
async function findInCache(
  cache: Cache,
  digest: Digest,
  signal: AbortSignal,
): Promise<{ blob: VerifiedBlob | undefined; warnings: string[] }> {
  const warnings: string[] = [];
  const blob = await drive(cache.find(digest, signal), (event) => {
    if (event.type === 'warning') warnings.push(event.message);
  });
  return { blob, warnings };
}

/** The remembered facts, else what the reference itself states. */
function localFile(
  request: Pick<ResolveRequest, 'ref'>,
  known: KnownRef | undefined,
  blob: VerifiedBlob,
  entry: CachedRef | undefined,
  warnings: readonly string[],
): ResolvedSource {
  const fileName = entry?.fileName ?? known?.fileName;
  const pinnedRef = entry?.pinnedRef ?? (known?.fixed === true ? known.key : undefined);
  return {
    kind: 'file',
    ref: known?.ref ?? request.ref,
    ...blob,
    immutable: true,
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
