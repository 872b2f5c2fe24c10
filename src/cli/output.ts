import { stripVTControlCharacters } from 'node:util';

/** The one way to a stream of this process: nothing that came from a file, a server or a model controls the terminal. */
export interface Output {
  /** Text for a person: without control characters, and without marks that turn the direction of text. */
  text(text: string): void;
  /** What another program may read: as it is into a pipe or a file, as text onto a terminal. */
  data(text: string): void;
  /** One JSON value; what is not text in its strings is escaped. */
  json(value: unknown): void;
  /** Replaces the line that the cursor is in. */
  redraw(line: string): void;
}

type Stream = Pick<NodeJS.WritableStream, 'write'> & { readonly isTTY?: boolean };

/** `hide` takes secrets out of everything but `data`. */
export function createOutput(stream: Stream, hide: (text: string) => string): Output {
  return {
    text: (text) => void stream.write(printable(hide(text))),
    data: (text) => void stream.write(stream.isTTY === true ? printable(text) : text),
    json: (value) => void stream.write(`${jsonText(value, hide)}\n`),
    redraw: (line) => void stream.write(`\r\u001b[2K${printable(hide(line))}`),
  };
}

/** Part of every colour code of this process and unknown outside of it, so that no other text can hold one. */
const KEY = Array.from(crypto.getRandomValues(new Uint16Array(4)), (part) => part % 10_000).join(';');

const OWN_CODE = new RegExp(`\\u001b\\[(\\d+);${KEY}m`);

/** A text in a colour, as `printable` knows it. */
export function coloured(text: string, [start, end]: readonly [number, number]): string {
  return `\u001b[${start};${KEY}m${text}\u001b[${end};${KEY}m`;
}

/** A text without escape codes, control characters and direction marks; our own colours become real ones. */
export function printable(text: string): string {
  // Split by a group, so every second part is the number of a colour.
  return text
    .split(OWN_CODE)
    .map((part, index) => (index % 2 === 1 ? `\u001b[${part}m` : withoutControl(part)))
    .join('');
}

function withoutControl(text: string): string {
  return stripVTControlCharacters(text).replace(/(?![\t\n])\p{Cc}|\p{Bidi_Control}/gu, '');
}

/** JSON leaves some of them as they are; they occur inside of its strings only. */
function jsonText(value: unknown, hide: (text: string) => string): string {
  const hiding = (_key: string, each: unknown) => (typeof each === 'string' ? hide(each) : each);
  return JSON.stringify(value, hiding, 2).replace(
    /[\u007f-\u009f]|\p{Bidi_Control}/gu,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
