import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Http } from '../../net/http.ts';
import {
  type KnownRef,
  type RemoteFile,
  type ResolvedSource,
  type ResolveRequest,
  requireExpected,
  type Source,
} from '../contract.ts';
import { webSource } from '../https.ts';
import { openRepository } from '../oci/client.ts';
import { parseOciRef } from '../oci/reference.ts';
import type { OciOptions } from '../oci/session.ts';
import { type MirrorPlace, type Mirrors, placeInMirror } from './mapping.ts';

export interface MirrorOptions {
  readonly mirrors: Mirrors;
  readonly http: Http;
  readonly oci: OciOptions;
}

/** Faults of a mirror after which the origin is asked for the same bytes. Wrong bytes are none of them. */
const ELSEWHERE: ReadonlySet<string> = new Set(['network', 'remote-fault', 'source-not-found', 'unauthorised']);

/**
 * A source whose files come from a mirror where one is set for them. A mirror is not trusted: its bytes must have the digest
 * that the catalog, a lock file or the reference gives, else the one that the origin gives. It gets no token of the origin.
 * Where it fails, the origin is asked for the same bytes, with a warning.
 */
export function mirroredSource(source: Source, options: MirrorOptions): Source {
  if (source.known === undefined || Object.keys(options.mirrors).length === 0) return source;
  return {
    ...source,
    resolve: (request) => resolveMirrored(source, options, request),
    async requireAccess(file, signal) {
      if (file.servedBy === undefined) await source.requireAccess?.(file, signal);
    },
  };
}

async function resolveMirrored(
  source: Source,
  options: MirrorOptions,
  request: ResolveRequest,
): Promise<ResolvedSource> {
  const known = source.known?.(request);
  const place = known && placeInMirror(known.key, options.mirrors);
  if (known === undefined || place === undefined) return source.resolve(request);
  const digest = request.expected?.digest ?? known.digest;
  // The reference and the digest say all that there is to ask.
  if (digest !== undefined && known.fixed) {
    const tried = await tryMirror(options, request, place, digest);
    if ('failure' in tried) return fromOrigin(source, request, place, tried.failure);
    return { kind: 'remote', ...fileOf(known, request, digest, tried), ...tried };
  }
  const origin = await askForDigest(source, request, place);
  if (origin.kind !== 'remote') return origin;
  const tried = await tryMirror(options, request, place, origin.digest);
  if ('failure' in tried) return { ...origin, warnings: [...(origin.warnings ?? []), unused(place, tried.failure)] };
  const { warnings = [] } = tried;
  return { ...origin, ...tried, warnings: [...(origin.warnings ?? []), ...warnings] };
}

/** What a mirror says of a file. */
type Served = Pick<RemoteFile, 'sizeBytes' | 'access' | 'servedBy' | 'warnings'>;

/** Throws `digest-mismatch` for a file of another size than expected. */
async function tryMirror(
  options: MirrorOptions,
  request: ResolveRequest,
  place: MirrorPlace,
  digest: Digest,
): Promise<Served | { readonly failure: ProvisionError }> {
  try {
    return await askMirror(options, request, place, digest);
  } catch (error) {
    request.signal.throwIfAborted();
    if (!(error instanceof ProvisionError) || !ELSEWHERE.has(error.code)) throw error;
    return { failure: error };
  }
}

async function askMirror(
  { http, oci }: MirrorOptions,
  { expected, signal }: ResolveRequest,
  place: MirrorPlace,
  digest: Digest,
): Promise<Served> {
  const wanted = { ...expected, digest };
  if (place.kind === 'web') {
    const found = await webSource({ http }).resolve({ ref: place.url, expected: wanted, signal });
    if (found.kind !== 'remote') throw new TypeError('a web address is a remote file');
    const { sizeBytes, access, warnings } = found;
    return { sizeBytes, access, servedBy: place.url, ...(warnings && { warnings }) };
  }
  const repository = openRepository(oci, parseOciRef(place.ref));
  const found = await repository.find(digest, signal);
  if (found === undefined) {
    throw new ProvisionError('source-not-found', `${place.ref} does not have ${digest}.`, {
      suggestions: ['Publish the file there, or correct the setting mirrors in config.json.'],
    });
  }
  const sizeBytes = found.sizeBytes ?? expected?.sizeBytes;
  if (sizeBytes === undefined)
    throw new ProvisionError('remote-fault', `${place.ref} does not report the size of ${digest}.`);
  requireExpected({ ref: place.ref, digest, sizeBytes }, wanted);
  return { sizeBytes, access: await repository.access(digest, signal), servedBy: place.ref };
}

/** The file of a reference that names the same bytes permanently, without a question to its origin. */
function fileOf(
  known: KnownRef,
  { fileName }: ResolveRequest,
  digest: Digest,
  { sizeBytes, access }: Served,
): RemoteFile {
  // What follows #? only tells apart the files of an artifact.
  const pinnedRef = known.key.replace(/#\?.*$/, '');
  const base = pinnedRef.split(/[@#]/)[0]?.split('/').at(-1) ?? '';
  const name = known.fileName ?? fileName ?? `${base}.gguf`;
  return { ref: known.ref, pinnedRef, fileName: name, sizeBytes, digest, access };
}

async function askForDigest(source: Source, request: ResolveRequest, place: MirrorPlace): Promise<ResolvedSource> {
  try {
    return await source.resolve(request);
  } catch (error) {
    request.signal.throwIfAborted();
    if (!(error instanceof ProvisionError) || error.code !== 'network') throw error;
    const why = `a mirror is not trusted without a digest, and the origin, which could give it, is not reachable`;
    throw new ProvisionError(error.code, `${addressOf(place)} is not used: ${why}: ${error.message}`, {
      cause: error,
      suggestions: [
        'Name a commit instead of a branch and pass the digest: --digest sha256:…',
        'Or install from a lock file or a catalog that has the digest.',
      ],
    });
  }
}

/** The same bytes, from where they come from; both failures are reported where that fails too. */
async function fromOrigin(
  source: Source,
  request: ResolveRequest,
  place: MirrorPlace,
  failure: ProvisionError,
): Promise<ResolvedSource> {
  try {
    const origin = await source.resolve(request);
    if (origin.kind === 'library') return origin;
    return { ...origin, warnings: [...(origin.warnings ?? []), unused(place, failure)] };
  } catch (error) {
    request.signal.throwIfAborted();
    if (!(error instanceof ProvisionError) || !ELSEWHERE.has(error.code)) throw error;
    throw new ProvisionError(
      failure.code,
      `The mirror failed (${failure.message}), and so did the origin: ${error.message}`,
      {
        cause: error,
        suggestions: [...new Set([...failure.suggestions, ...error.suggestions])],
      },
    );
  }
}

function unused(place: MirrorPlace, failure: ProvisionError): string {
  return `The mirror ${addressOf(place)} is not used (${failure.message}); the same bytes come from the origin.`;
}

function addressOf(place: MirrorPlace): string {
  return place.kind === 'web' ? place.url : place.ref;
}
