/** What can go wrong on the wire, before anybody gives it a meaning (see errors.ts). */

/** The server answered with an error: an HTTP status, or an error line inside a stream that began with 200. */
export class ServerSaid extends Error {
  override readonly name = 'ServerSaid';
  /** HTTP status; 200 for an error line that names none. */
  readonly status: number;

  /** `text`: the server's own words, cleaned. */
  constructor(status: number, text: string) {
    super(text === '' ? `HTTP ${status}` : text);
    this.status = status;
  }
}

/** Something answered, but not in the words of an Ollama server. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** The stream ended before the line that says the work is done. */
export class CutShort extends Error {
  override readonly name = 'CutShort';
}

const LONGEST = 400;

/** Foreign text for our messages: no control or direction characters, no markup, one line, at most 400 characters. */
export function cleaned(text: string): string {
  const plain = /^\s*<(?:!doctype|html|head|\?xml)/i.test(text) ? withoutMarkup(text) : text;
  const line = plain
    // Terminal escapes go as a whole, so that their letters do not stay behind.
    .replace(/\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\s]+/gu, ' ')
    .trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}

function withoutMarkup(text: string): string {
  return text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
}
