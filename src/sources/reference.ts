import { fileURLToPath } from 'node:url';
import { messageOf, ProvisionError } from '../core/errors.ts';

/**
 * The scheme of a reference in lower case, or undefined for a plain path. One letter before the colon is a Windows
 * drive, and anything that starts like a path (`/`, `.`, `~`) is one.
 */
export function schemeOf(ref: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(ref)?.[1]?.toLowerCase();
}

/** What follows the scheme, or the whole reference when it has none. */
export function restOf(ref: string): string {
  const scheme = schemeOf(ref);
  return scheme === undefined ? ref : ref.slice(scheme.length + 1);
}

/**
 * The path in `file:./model.gguf`, `file:/abs/model.gguf` or `file:///abs/model.gguf`, or the reference itself.
 * Only the `//` form is a URL and is percent-decoded; the short form is a path as typed. Throws `bad-usage`.
 */
export function pathOf(ref: string): string {
  const path = schemeOf(ref) === 'file' ? pathOfFileRef(ref) : ref;
  if (path === '') throw badPath(ref, 'it does not name a file');
  if (path.includes('\0')) throw badPath(ref, 'it contains a NUL character');
  return path;
}

function pathOfFileRef(ref: string): string {
  const rest = restOf(ref);
  if (!rest.startsWith('//')) return rest;
  try {
    return fileURLToPath(`file:${rest}`);
  } catch (cause) {
    throw badPath(ref, messageOf(cause), cause);
  }
}

function badPath(ref: string, why: string, cause?: unknown): ProvisionError {
  return new ProvisionError('bad-usage', `The reference ${JSON.stringify(ref)} is not a usable path: ${why}.`, {
    cause,
    suggestions: ['Pass a path such as ./model.gguf, or file:./model.gguf.'],
  });
}
