import { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';
import { checkAnswer } from '../net/answer.ts';
import { shownUrl, wrongAnswer } from '../net/errors.ts';
import { sendFollowing } from '../net/follow.ts';
import type { Http } from '../net/http.ts';
import { isPrivateHost } from '../net/reach.ts';
import {
  defineSource,
  type KnownRef,
  type RemoteAccess,
  type RemoteFile,
  type ResolvedSource,
  type ResolveRequest,
  requireExpected,
  type Source,
} from './contract.ts';
import { schemeOf } from './reference.ts';

/** `https:…` or `http:…` with a digest, without which a file from a web server cannot be verified. */
export function webSource(options: { readonly http: Http }): Source {
  return defineSource({
    scheme: 'https',
    description: 'a file on a web server, with --digest',
    matches: (ref) => ['https', 'http'].includes(schemeOf(ref) ?? ''),
    resolve: (request) => resolveWeb(options.http, request),
    known: (request) => parseWeb(request).known,
  });
}

interface WebRef {
  readonly known: KnownRef & { readonly digest: Digest; readonly fileName: string };
  readonly access: RemoteAccess;
  readonly warnings: readonly string[];
}

/** Throws `bad-usage`. */
function parseWeb({ ref, expected }: ResolveRequest): WebRef {
  const url = URL.parse(ref);
  if (url === null || url.hostname === '') throw badUrl('The reference is not a web address.');
  const digest = digestOf(url, expected?.digest);
  const access = accessOf(url);
  const shown = redactReference(url.href);
  const fileName = fileNameOf(url);
  if (fileName === undefined) throw badUrl(`${shownUrl(url)} does not end with a file name.`);
  if (digest === undefined) throw noDigest(url);
  const open = url.protocol === 'http:' && !isPrivateHost(url.hostname);
  const warnings = open
    ? [
        `${url.host} does not use https: others can see what is downloaded. The digest still protects the file against changes.`,
      ]
    : [];
  return { known: { ref: shown, key: `${shown}#${digest}`, fixed: true, digest, fileName }, access, warnings };
}

async function resolveWeb(http: Http, request: ResolveRequest): Promise<ResolvedSource> {
  const { known, access, warnings } = parseWeb(request);
  const file: RemoteFile = {
    ref: known.ref,
    pinnedRef: known.key,
    fileName: known.fileName,
    sizeBytes: await sizeOf(http, access, request.signal),
    digest: known.digest,
    access,
    ...(warnings.length > 0 && { warnings }),
  };
  requireExpected(file, request.expected);
  return { kind: 'remote', ...file };
}

/** Sends a HEAD request. Servers that refuse it, or sign addresses only for GET, are asked for the first byte. */
async function sizeOf(http: Http, access: RemoteAccess, signal: AbortSignal): Promise<number> {
  const url = new URL(access.url);
  const asked = { url, secrets: access.headers, signal };
  const head = await sendFollowing(http, { ...asked, method: 'HEAD' });
  await head.reply.close();
  if (head.reply.status === 200) {
    const size = checkAnswer(head.url, head.reply, 0).fileBytes;
    if (size !== undefined && size > 0) return size;
  }
  const first = await sendFollowing(http, { ...asked, method: 'GET', headers: { range: 'bytes=0-0' } });
  await first.reply.close();
  const size = checkAnswer(first.url, first.reply, 0).fileBytes;
  if (size === undefined) throw wrongAnswer(url, 'the server does not report the size of the file', [OTHER_WAY]);
  if (size === 0) throw wrongAnswer(url, 'the file is empty (0 bytes)', ['Check the address.']);
  return size;
}

const OTHER_WAY = 'Download the file with another tool, then pass its path: --from ./file.gguf';

/** From `--digest`, or from a fragment `#sha256:…`, as `pinnedRef` has it. Removes the fragment. */
function digestOf(url: URL, demanded: Digest | undefined): Digest | undefined {
  const fragment = url.hash.slice(1);
  url.hash = '';
  if (fragment === '') return demanded;
  const parsed = Digest.safeParse(fragment.toLowerCase());
  // What follows # is never sent to a server; a fragment of another kind says nothing about the file.
  if (!parsed.success) return demanded;
  const own = parsed.data;
  if (demanded === undefined || demanded === own) return own;
  throw new ProvisionError('bad-usage', `The address says ${own}, and --digest says ${demanded}.`, {
    suggestions: ['Omit one of them.'],
  });
}

/** User and password become a header, so that they are in no message and no record. */
function accessOf(url: URL): RemoteAccess {
  const headers: Record<string, string> = {};
  if (url.username !== '' || url.password !== '') {
    const pair = `${decoded(url.username)}:${decoded(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  return { url: url.href, headers };
}

function fileNameOf(url: URL): string | undefined {
  const name = decoded(url.pathname.split('/').at(-1) ?? '').replaceAll(/[\p{Cc}/\\]/gu, '');
  return name === '' || name === '.' || name === '..' ? undefined : name;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function badUrl(what: string): ProvisionError {
  return new ProvisionError('bad-usage', what, {
    suggestions: ['Pass an address such as https://example.com/model.gguf, with --digest sha256:…'],
  });
}

function noDigest(url: URL): ProvisionError {
  const hub = /^\/([^/]+\/[^/]+)\/(?:resolve|blob)\/([^/]+)\/(.+)$/.exec(url.pathname);
  const suggestions = ['Add --digest sha256:… with the SHA-256 that the publisher gives.'];
  if (hub !== null && /(^|\.)(huggingface\.co|hf\.co)$/.test(url.hostname)) {
    suggestions.unshift(`Write hf:${hub[1]}@${hub[2]}/${hub[3]}: the hub provides the digest.`);
  }
  return new ProvisionError('bad-usage', `No digest is given for ${shownUrl(url)}.`, { suggestions });
}
