import { ProvisionError } from '../core/errors.ts';

const DAMAGED = [
  'Compare its digest with the publisher’s, and download it again if they differ.',
  'If the digest is right, the publisher’s file is damaged: use another quant or another publisher.',
];

/**
 * An error for a header that no honest writer produces. `offset` is the byte where the fault was seen; undefined for
 * what is missing and for what a server reports.
 */
export function refusal(
  message: string,
  offset: number | undefined,
  suggestions: readonly string[] = DAMAGED,
): ProvisionError {
  const place = offset === undefined ? '' : ` (at byte ${offset})`;
  return new ProvisionError('bad-gguf', `${message}${place}`, { suggestions });
}

/** An error for a file that ends before what its header promises. */
export function truncation(message: string): ProvisionError {
  return new ProvisionError('truncated-file', message, {
    suggestions: ['Download it again: the download or copy ended early.', 'Check that the disk was not full.'],
  });
}

/** Characters of a name that a message shows, escapes counted as they are written. */
const SHOWN_LENGTH = 80;

/** How a name from the file may appear in a message: short, one line, nothing that moves a terminal's cursor. */
export function quoteName(name: string): string {
  if (name.length <= SHOWN_LENGTH && /^[\w .-]*$/.test(name)) return `"${name}"`;
  let shown = '';
  for (const char of name) {
    const piece = escaped(char);
    if (shown.length + piece.length > SHOWN_LENGTH) return `"${shown}…"`;
    shown += piece;
  }
  return `"${shown}"`;
}

function escaped(char: string): string {
  if (/[\u007f-\u009f\u2028\u2029]/.test(char)) return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(char).slice(1, -1);
}
