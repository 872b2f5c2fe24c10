import { causesOf, type ErrorCode, errnoOf, messageOf, ProvisionError } from '../core/errors.ts';

const AGAIN = 'Try again later.';

/** An address as messages show it: without user, password and query, which may hold secrets. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** An error for an answer that cannot be the wanted bytes, whatever its status. */
export function wrongAnswer(url: URL, what: string, suggestions: readonly string[] = [AGAIN]): ProvisionError {
  return new ProvisionError('remote-fault', `${shownUrl(url)}: ${what}`, { suggestions });
}

/** An error for what the network throws. */
export function networkFault(url: URL, thrown: unknown): ProvisionError {
  const silent = thrown instanceof Error && thrown.name === 'TimeoutError';
  const errno = errnoOf(thrown);
  // The nearest cause says more than fetch's own "fetch failed".
  const cause = causesOf(thrown)[0] ?? messageOf(thrown);
  const why = silent
    ? 'the server fell silent'
    : `the connection failed${errno === undefined ? '' : ` (${errno})`}: ${cause}`;
  return new ProvisionError('network', `${shownUrl(url)}: ${why}`, {
    suggestions: ['Check the address and the network, then try again.'],
    cause: thrown,
  });
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
