/** The version of a server, for those who ask it with a client of their own and want nothing else of a runtime. */
import { member } from '../../catalog/json-access.ts';
import { looseJson } from '../../core/parse.ts';
import type { Ask, TextReply } from '../../net/text.ts';
import { cleanText, failureOf, ServerError, UnreadableReply } from './server-errors.ts';

/** `endpoint`: base address for messages. Throws `runtime-unreachable`, `runtime-timeout`, `runtime-not-ollama`. */
export async function askServerVersion(ask: Ask, endpoint: string, signal: AbortSignal): Promise<string> {
  try {
    return versionIn(await ask({ method: 'GET', path: '/api/version' }));
  } catch (thrown) {
    throw failureOf(thrown, { doing: 'asking for its version', endpoint, probing: true, signal });
  }
}

function versionIn({ status, contentType, text }: TextReply): string {
  if (status < 200 || status > 299) throw new ServerError(status, cleanText(errorIn(text)));
  const version = member(looseJson(text), 'version');
  if (typeof version === 'string' && version !== '' && version.length <= 200) return cleanText(version);
  const what =
    looseJson(text) === undefined ? `${cleanText(contentType ?? '') || 'something'} that is not JSON` : 'no version';
  throw new UnreadableReply(`${what}: ${cleanText(text.slice(0, 200))}`);
}

function errorIn(text: string): string {
  const error = member(looseJson(text), 'error');
  return typeof error === 'string' ? error : text.slice(0, 1000);
}
