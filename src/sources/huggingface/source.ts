import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Http } from '../../net/http.ts';
import { isPrivateHost } from '../../net/reach.ts';
import {
  defineSource,
  type KnownRef,
  type Provenance,
  type RemoteFile,
  type ResolvedSource,
  type ResolveRequest,
  requireExpected,
  type Source,
} from '../contract.ts';
import { type Credentials, HUB } from '../credentials.ts';
import { schemeOf } from '../reference.ts';
import type { HubRequest } from './errors.ts';
import type { CardData } from './hub.ts';
import { fetchHubFile, fetchHubModel, type HubFile, requireReadable, resolveUrl, tokenHeader } from './hub.ts';
import { pickFile } from './pick.ts';
import { formatHubRef, type HubRef, isCommit, parseHubRef } from './reference.ts';

export interface HubSourceOptions {
  readonly http: Http;
  readonly credentials: Credentials;
  /** Base address of the hub or of a mirror; huggingface.co unless given (HF_ENDPOINT). */
  readonly endpoint?: string | undefined;
}

/** Asks the hub what a reference means now. Throws what `Source.resolve` may throw. */
async function resolveHub(options: HubSourceOptions, request: ResolveRequest): Promise<ResolvedSource> {
  const { signal, expected } = request;
  const ref = parseHubRef(request.ref);
  const { asked, warnings } = await hubRequest(options, ref);
  const model = await fetchHubModel(options.http, asked, signal);
  const file = pickFile(ref, model.files, request.fileName);
  const pinned = { ...asked, revision: model.commit, file };
  const found = await fetchHubFile(options.http, pinned, signal);
  const remote: RemoteFile = {
    ref: request.ref,
    pinnedRef: formatHubRef({ repo: ref.repo, revision: model.commit, file }),
    fileName: file.slice(file.lastIndexOf('/') + 1),
    sizeBytes: found.sizeBytes,
    digest: digestOf(request, found, file),
    access: { url: resolveUrl(pinned, file), headers: tokenHeader(asked) },
    ...withProvenance(model.card),
    ...(warnings.length > 0 && { warnings }),
  };
  requireExpected(remote, expected);
  return { kind: 'remote', ...remote };
}

/** Makes sure that the hub gives the bytes to this user. Throws `unauthorised`, `source-not-found`, `network`, `remote-fault`. */
async function requireHubAccess(options: HubSourceOptions, file: RemoteFile, signal: AbortSignal): Promise<void> {
  const { asked } = await hubRequest(options, parseHubRef(file.pinnedRef));
  await requireReadable(options.http, asked, file, signal);
}

/** A request with the endpoint and the token of this user. Throws `bad-configuration`. */
export async function hubRequest(
  { credentials, endpoint: typed }: HubSourceOptions,
  ref: HubRef,
): Promise<{ asked: HubRequest; warnings: string[] }> {
  const url = URL.parse(typed === undefined || typed === '' ? HUB : typed);
  if (url === null || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ProvisionError('bad-configuration', 'HF_ENDPOINT is not a usable web address.', {
      suggestions: [`Set it to an address such as ${HUB}, without user and password, or unset it.`],
    });
  }
  const endpoint = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  const found = await credentials.hubToken();
  const isItsOwn = found?.origin === url.origin;
  // The token would be sent in plain text.
  const open = url.protocol === 'http:' && !isPrivateHost(url.hostname);
  const warnings = open && isItsOwn ? [`${endpoint} does not use https: no access token is sent to it.`] : [];
  const asked = { ...ref, endpoint };
  if (found === undefined || (isItsOwn && open)) return { asked, warnings };
  return { asked: isItsOwn ? { ...asked, token: found } : { ...asked, withheld: found }, warnings };
}

function digestOf(request: ResolveRequest, found: HubFile, file: string): Digest {
  if (found.sha256 !== undefined) return `sha256:${found.sha256}`;
  const demanded = request.expected?.digest;
  if (demanded !== undefined) return demanded;
  throw new ProvisionError('bad-usage', `The hub has no SHA-256 for ${file}: it is not in large-file storage.`, {
    suggestions: ['Pass the expected digest: --digest sha256:…', 'Check that it is the model, not a file beside it.'],
  });
}

function withProvenance(card: CardData | undefined): { provenance?: Provenance } {
  const named = words(card?.license);
  const licence = named === 'other' ? (card?.license_name ?? named) : named;
  const baseModel = words(card?.base_model);
  const quantiser = card?.quantized_by;
  const provenance = {
    ...(licence !== undefined && { licence: short(licence) }),
    ...(baseModel !== undefined && { baseModel: short(baseModel) }),
    ...(quantiser !== undefined && { quantiser: short(quantiser) }),
  };
  return Object.keys(provenance).length === 0 ? {} : { provenance };
}

function words(value: string | string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? value : value?.join(', ');
  return text === undefined || text.trim() === '' ? undefined : text;
}

/** It goes into records and onto terminals: one line, no more. */
function short(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 200);
}

/** `hf:owner/repo[@revision]/file.gguf`: a file of the Hugging Face hub, pinned to a commit and its SHA-256. */
export function hubSource(options: HubSourceOptions): Source {
  return defineSource({
    scheme: 'hf',
    description: 'a GGUF file of a Hugging Face repository',
    matches: (ref) => schemeOf(ref) === 'hf',
    known,
    resolve: (request) => resolveHub(options, request),
    requireAccess: (file, signal) => requireHubAccess(options, file, signal),
  });
}

function known({ ref, fileName }: ResolveRequest): KnownRef | undefined {
  const parsed = parseHubRef(ref);
  const file = parsed.file ?? fileName;
  if (file === undefined) return undefined;
  return {
    ref,
    key: formatHubRef({ ...parsed, file }),
    fixed: isCommit(parsed.revision),
    fileName: file.slice(file.lastIndexOf('/') + 1),
  };
}
