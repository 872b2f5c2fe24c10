/**
 * Artifacts that belong to another one, such as the signature of a model (OCI distribution-spec 1.1): by the registry's
 * referrers API, and where it has none by an index under the tag `sha256-<hex>` that its clients keep.
 */
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { parseDocument } from '../../core/parse.ts';
import { MIB } from '../../core/units.ts';
import { readBody } from '../../net/follow.ts';
import { type Repository, unexpectedAnswer } from './client.ts';
import { type Descriptor, INDEX, Index, MANIFEST } from './manifest.ts';
import { putManifest, type UploadOptions } from './upload.ts';

/** The limit of every manifest. */
const LARGEST_INDEX = 4 * MIB;
/** A model has a few referrers; a list without an end is an attack. */
const MOST_PAGES = 20;
/** What registries of before 1.1 answer to a question that they do not know. */
const NO_REFERRERS_API: ReadonlySet<number> = new Set([400, 404, 405, 501]);

/**
 * Descriptors of the artifacts of one type that belong to a manifest. Nothing of them is verified.
 * Throws `unauthorised`, `bad-manifest`, `network`, `remote-fault`.
 */
export async function findReferrers(
  repository: Repository,
  subject: Digest,
  artifactType: string,
  signal: AbortSignal,
): Promise<Descriptor[]> {
  const { session } = repository;
  const found: Descriptor[] = [];
  const query = `artifactType=${encodeURIComponent(artifactType)}`;
  let url: URL | undefined = await session.url(`referrers/${subject}?${query}`, signal);
  for (let page = 0; url !== undefined; page += 1) {
    if (page === MOST_PAGES)
      throw unexpectedAnswer(url, `the registry lists more than ${MOST_PAGES} pages of referrers`);
    const answer = await session.send({ method: 'GET', url, headers: { accept: INDEX }, signal });
    const { reply } = answer;
    if (page === 0 && NO_REFERRERS_API.has(reply.status)) {
      await reply.close();
      found.push(...(await readTaggedIndex(repository, subject, signal)));
      break;
    }
    if (reply.status !== 200) throw await session.fault(answer, `the referrers of ${subject}`, signal);
    try {
      found.push(...parseIndex(await readBody(answer.url, reply, LARGEST_INDEX, signal), session.place));
      url = nextPage(url, reply.header('link'));
    } finally {
      await reply.close();
    }
  }
  // A registry may ignore the filter.
  return found.filter((each) => each.artifactType === artifactType);
}

/** The address of the next page. The session's login goes with it, so it must be the registry's own. */
function nextPage(url: URL, link: string | undefined): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const next = URL.parse(target, url.href);
  if (next?.origin !== url.origin) throw unexpectedAnswer(url, 'the registry continues its list on another server');
  return next;
}

/** A manifest that names its subject, to be added to the referrers of that. */
export interface Referrer {
  readonly digest: Digest;
  /** JSON in UTF-8. */
  readonly bytes: Uint8Array;
  readonly artifactType: string;
}

/** Puts a referrer, whose blobs are there already, where others find it. Throws as {@link putManifest}. */
export async function putReferrer(
  options: UploadOptions,
  repository: Repository,
  subject: Digest,
  { digest, bytes, artifactType }: Referrer,
  signal: AbortSignal,
): Promise<void> {
  const listed = await putManifest(options, repository, { bytes, mediaType: MANIFEST, version: digest }, signal);
  if (listed) return;
  const before = await readTaggedIndex(repository, subject, signal);
  if (before.some((each) => each.digest === digest)) return;
  const manifests = [...before, { mediaType: MANIFEST, digest, size: bytes.length, artifactType }];
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), 'utf8');
  await putManifest(options, repository, { bytes: index, mediaType: INDEX, version: tagFor(subject) }, signal);
}

async function readTaggedIndex(repository: Repository, subject: Digest, signal: AbortSignal): Promise<Descriptor[]> {
  try {
    const { bytes } = await repository.manifest(tagFor(subject), signal);
    return parseIndex(bytes, repository.session.place);
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'source-not-found') return [];
    throw error;
  }
}

function tagFor(subject: Digest): string {
  return subject.replace(':', '-');
}

function parseIndex(bytes: Buffer, place: string): Descriptor[] {
  const document = { name: `The list of referrers of ${place}`, code: 'bad-manifest' } as const;
  return parseDocument(Index, bytes.toString('utf8'), document).manifests;
}
