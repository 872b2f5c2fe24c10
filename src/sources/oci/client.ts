/** Reading manifests and small blobs of one repository: by digest, with a limit, nothing believed that was not hashed. */

import { Digest, digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { MIB } from '../../core/units.ts';
import { digestMismatch } from '../../disk/errors.ts';
import { wrongAnswer } from '../../net/errors.ts';
import { readBody } from '../../net/follow.ts';
import type { RemoteAccess } from '../contract.ts';
import type { Descriptor } from './manifest.ts';
import { DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST } from './manifest.ts';
import { formatOciRef, type OciRef, versionOf } from './reference.ts';
import type { OciOptions } from './session.ts';
import { type Action, Session } from './session.ts';

/** The limit that registries set themselves (distribution-spec 1.1). */
const LARGEST_MANIFEST = 4 * MIB;

/** A manifest or index as it is at the registry. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface Repository {
  readonly session: Session;
  /** Throws `source-not-found`, `unauthorised`, `digest-mismatch`, `bad-manifest`, `network`, `remote-fault`. */
  manifest(version: string, signal: AbortSignal): Promise<FoundManifest>;
  /** A blob that fits into memory. Throws as `manifest`. */
  blob(descriptor: Pick<Descriptor, 'digest' | 'size'>, limit: number, signal: AbortSignal): Promise<Buffer>;
  /** True when the registry has the blob. Throws `unauthorised`, `network`, `remote-fault`. */
  has(digest: string, signal: AbortSignal): Promise<boolean>;
  /** Size of a blob, where the registry reports it; undefined when it does not have the blob. Throws as `has`. */
  find(digest: string, signal: AbortSignal): Promise<{ readonly sizeBytes?: number } | undefined>;
  /** The address and headers for downloading a blob with this session's login. */
  access(digest: string, signal: AbortSignal): Promise<RemoteAccess>;
}

/** One repository for the time of one task; logged in with the first request that asks for it. */
export function openRepository(
  options: OciOptions,
  ref: Pick<OciRef, 'host' | 'repository'>,
  action: Action = 'pull',
): Repository {
  const session = new Session(options, ref, action);
  return {
    session,
    manifest: (version, signal) => readManifest(session, version, signal),
    blob: (descriptor, limit, signal) => readSmallBlob(session, descriptor, limit, signal),
    has: async (digest, signal) => (await findBlob(session, digest, signal)) !== undefined,
    find: (digest, signal) => findBlob(session, digest, signal),
    async access(digest, signal) {
      const url = await session.url(`blobs/${digest}`, signal);
      return {
        url: url.href,
        headers: session.secrets,
        // Tokens of registries are good for minutes, a download may take hours.
        async renew(signal) {
          await findBlob(session, digest, signal);
          return session.secrets;
        },
      };
    },
  };
}

/** The manifest that a reference names. */
export async function manifestOf(repository: Repository, ref: OciRef, signal: AbortSignal): Promise<FoundManifest> {
  const found = await repository.manifest(versionOf(ref), signal);
  if (ref.digest === undefined || ref.digest === found.digest) return found;
  throw contentMismatch(formatOciRef(ref), ref.digest, found.digest);
}

async function readManifest(session: Session, version: string, signal: AbortSignal): Promise<FoundManifest> {
  const url = await session.url(`manifests/${version}`, signal);
  const accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(', ');
  const answer = await session.send({ method: 'GET', url, headers: { accept }, signal });
  const { reply } = answer;
  if (reply.status !== 200) throw await session.fault(answer, `the manifest ${version}`, signal);
  try {
    const declared = Number(reply.header('content-length') ?? 0);
    if (declared > LARGEST_MANIFEST) throw tooLong(session, version, declared);
    const bytes = await readBody(answer.url, reply, LARGEST_MANIFEST, signal);
    const digest = digestOf(bytes);
    const asked = Digest.safeParse(version).success ? version : undefined;
    const declaredDigest = reply.header('docker-content-digest') ?? digest;
    if (asked !== undefined && asked !== digest) throw contentMismatch(`${session.place}@${version}`, asked, digest);
    if (declaredDigest.startsWith('sha256:') && declaredDigest !== digest)
      throw contentMismatch(`${session.place}:${version}`, declaredDigest, digest);
    return { digest, bytes, mediaType: (reply.header('content-type') ?? '').split(';', 1)[0]?.trim() ?? '' };
  } finally {
    await reply.close();
  }
}

async function readSmallBlob(
  session: Session,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer> {
  if (size > limit) {
    throw new ProvisionError(
      'bad-manifest',
      `${session.place}: ${digest} declares ${size} bytes; the limit is ${limit}`,
    );
  }
  const url = await session.url(`blobs/${digest}`, signal);
  const answer = await session.send({ method: 'GET', url, signal });
  if (answer.reply.status !== 200) throw await session.fault(answer, `the blob ${digest}`, signal);
  try {
    const bytes = await readBody(answer.url, answer.reply, size, signal);
    const got = digestOf(bytes);
    if (got !== digest) throw contentMismatch(`${session.place}: the blob`, digest, got);
    return bytes;
  } finally {
    await answer.reply.close();
  }
}

async function findBlob(
  session: Session,
  digest: string,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes?: number } | undefined> {
  const answer = await session.send({ method: 'HEAD', url: await session.url(`blobs/${digest}`, signal), signal });
  const { status } = answer.reply;
  await answer.reply.close();
  const size = /^\d{1,15}$/.exec(answer.reply.header('content-length') ?? '')?.[0];
  if (status === 200) return size === undefined ? {} : { sizeBytes: Number(size) };
  if (status === 404) return undefined;
  // The answer to a HEAD has no body that could say more.
  throw await session.refused(
    { status, header: (name) => answer.reply.header(name), body: Buffer.alloc(0) },
    `the blob ${digest}`,
  );
}

function tooLong(session: Session, version: string, bytes: number): ProvisionError {
  return new ProvisionError(
    'bad-manifest',
    `${session.place}: the manifest ${version} has ${bytes} bytes; the limit is ${LARGEST_MANIFEST}`,
    {
      suggestions: ['Check that the reference names a model.'],
    },
  );
}

export function contentMismatch(what: string, wanted: string, got: string): ProvisionError {
  return digestMismatch(what, { wanted, got }, [
    'Try again. If it happens again, that registry, or a proxy on the way to it, changes its content.',
  ]);
}

/** For an answer that a registry should not give. */
export function unexpectedAnswer(url: URL, what: string): ProvisionError {
  return wrongAnswer(url, what, ['Check that the reference names a registry.']);
}
