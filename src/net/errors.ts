import { causesOf, type ErrorCode, errnoOf, messageOf, ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { TimeoutError } from './http.ts';
import { ForbiddenAddressError } from './lookup.ts';

const AGAIN = 'Try again later.';
/** For a port that speaks another protocol. */
export const CHECK_SCHEME = 'Check the port, and whether the server expects http:// or https://.';

/** An address as messages show it: without user, password and query, which may hold secrets. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** An error for an answer that cannot be the wanted bytes, whatever its status. */
export function wrongAnswer(url: URL, what: string, suggestions: readonly string[] = [AGAIN]): ProvisionError {
  return new ProvisionError('remote-fault', `${shownUrl(url)}: ${what}`, { suggestions });
}

/** True when the server ended a connection that was made, before its reply was whole. */
export function isCutOff(thrown: unknown): boolean {
  const word = errnoOf(thrown) ?? '';
  // undici has no code for a chunked body that ends before its last chunk.
  return CUT_OFF.includes(word) || (isParserError(thrown) && /EOF/.test(thrown.message));
}

const CUT_OFF = ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'];

/** True when what answered does not speak HTTP, or not with TLS. */
export function isOtherProtocol(thrown: unknown): boolean {
  if (isCutOff(thrown)) return false;
  if (thrown instanceof Error && thrown.name === 'InterimFloodError') return true;
  return isParserError(thrown) || /^(HPE_|ERR_SSL_|EPROTO|UND_ERR_HEADERS_OVERFLOW)/.test(errnoOf(thrown) ?? '');
}

/** Plain words for what answered and spoke no HTTP, or no TLS; undefined for every other failure. */
export function otherProtocolReason(thrown: unknown): string | undefined {
  if (isParserError(thrown)) return 'what answers there does not speak HTTP';
  if (!/^(ERR_SSL_|EPROTO)/.test(errnoOf(thrown) ?? '')) return undefined;
  const text = messageOf(thrown);
  if (/wrong version number|packet length too long|http request|unknown protocol/i.test(text))
    return 'what answers there does not speak TLS, which https needs';
  // OpenSSL: `error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:…`
  const reason = /error:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/i.exec(text)?.[1];
  return `TLS could not be agreed on${reason === undefined ? '' : ` (${reason})`}`;
}

function isParserError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'HTTPParserError';
}

/** What TLS says of a certificate that nobody we trust has signed. */
const UNKNOWN_ISSUER = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
];
const WRONG_TIME = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/** An error for what the network throws. Errors with a code of ours pass as they are. */
export function networkFault(url: URL, thrown: unknown): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  if (thrown instanceof ForbiddenAddressError)
    return unsafeRedirect(url, `a server named this address, and ${thrown.message}`);
  const errno = errnoOf(thrown);
  return new ProvisionError('network', `${shownUrl(url)}: ${whyOf(thrown, errno)}`, {
    suggestions: remediesFor(thrown, errno),
    cause: thrown,
  });
}

/** What the system says of a connection that could not be made, in words. */
const NO_CONNECTION: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name of the server is not known here: there is no network, or it is misspelt',
  EAI_AGAIN: 'the name service does not answer: there is no network',
  ECONNREFUSED: 'nothing answers at this address',
  EHOSTUNREACH: 'there is no way to this server from here',
  ENETUNREACH: 'there is no network',
};

/** An error for an address that a server named and that is not followed. */
export function unsafeRedirect(url: URL, what: string): ProvisionError {
  return new ProvisionError('unsafe-redirect', `${shownUrl(url)}: ${what}`, {
    suggestions: [
      'Give the address of the file itself.',
      'If you run that server, correct where it sends its clients.',
    ],
  });
}

function whyOf(thrown: unknown, errno: string | undefined): string {
  if (thrown instanceof TimeoutError && thrown.missing === 'end')
    return `the answer was not complete within ${formatDuration(thrown.ms)}`;
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return 'the server fell silent';
  if (UNKNOWN_ISSUER.includes(errno ?? ''))
    return `its certificate is signed by an authority that this machine does not trust (${errno})`;
  if (errno === 'CERT_HAS_EXPIRED') return 'its certificate has expired, or this machine’s clock is wrong';
  if (errno === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet, or this machine’s clock is wrong';
  if (errno === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for another name';
  const protocol = otherProtocolReason(thrown);
  if (protocol !== undefined) return protocol;
  const words = NO_CONNECTION[errno ?? ''];
  if (words !== undefined) return `${words} (${errno})`;
  // The nearest cause says more than a general "fetch failed"; of several addresses the first says what is wrong.
  const cause = causesOf(thrown)[0] ?? messageOf(thrown);
  return `the connection failed${errno === undefined ? '' : ` (${errno})`}: ${cause}`;
}

function remediesFor(thrown: unknown, errno: string | undefined): string[] {
  if (UNKNOWN_ISSUER.includes(errno ?? '')) {
    return [
      'If your network or that server has a certificate authority of its own, pass its certificate (PEM): --ca FILE, GEMMA_PROVISION_CA or NODE_EXTRA_CA_CERTS.',
      'If not, the connection may be intercepted: do not download from there.',
    ];
  }
  if (WRONG_TIME.includes(errno ?? '')) {
    return [
      'Compare this machine’s clock (run: date) with the real time.',
      'If it is right, the server’s operator must renew the certificate.',
    ];
  }
  if (errno === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return ['Use the name that the certificate is for, or have the server’s operator correct it.'];
  }
  if (otherProtocolReason(thrown) !== undefined) return [CHECK_SCHEME];
  return ['Check the address, the network and its proxy (HTTPS_PROXY), then try again.'];
}

/** An error for a status that brings no bytes. */
export function statusFault(url: URL, status: number, retryAfter: string | undefined): ProvisionError {
  const fault = (code: ErrorCode, what: string, ...suggestions: string[]): ProvisionError =>
    new ProvisionError(code, `${shownUrl(url)}: ${what} (HTTP ${status})`, { suggestions });
  const page = pageAdvice(url);
  if (status === 404 || status === 410) {
    return fault('source-not-found', 'there is no such file', ...page, 'Check repository, revision and file name.');
  }
  if (status === 401) {
    return fault(
      'unauthorised',
      'the server wants to know who asks, or hides that there is no such file',
      'Check repository and file name; for a private or gated repository pass an access token.',
    );
  }
  if (status === 403) {
    return fault(
      'unauthorised',
      'the server refuses access',
      'Accept the terms on the model’s page with the account of the token, and check what the token may read.',
    );
  }
  if (status === 429 || status === 503) {
    const wait = retryAfter === undefined ? AGAIN : `Try again after ${retryAfter.slice(0, 40)} (seconds or a date).`;
    return fault('remote-fault', status === 429 ? 'too many requests' : 'the server is not available', wait);
  }
  if (status >= 500) return fault('remote-fault', 'the server failed', AGAIN);
  return fault('remote-fault', 'the server gives no bytes', 'Check that the address is that of a .gguf file.');
}

/** What to do about a web page in place of a file. */
export function pageAdvice(url: URL): string[] {
  // Hugging Face shows a file's page under /blob/ and gives the file under /resolve/.
  if (!url.pathname.includes('/blob/')) return [];
  return [`Take the file itself: ${shownUrl(url).replace('/blob/', '/resolve/')}`];
}
