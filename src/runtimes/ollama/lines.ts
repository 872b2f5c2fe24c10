import * as z from 'zod';
import { TimeoutError } from '../../net/http.ts';
import { cleanText, ServerError, UnreadableReply } from './server-errors.ts';

/** No line of an Ollama server comes near this; a reply without line ends must not fill the memory. */
const LONGEST_LINE = 16 * 1024 * 1024;

const ErrorLine = z.object({ error: z.unknown().optional(), status: z.unknown().optional() });

/**
 * The lines of a stream, each a whole JSON object. An error line ends the stream with `ServerError`, whatever comes after
 * it. Throws `UnreadableReply` for half a line and for anything that is not JSON, and `TimeoutError` when no line was
 * completed for `silenceMs`: a server that sends a byte now and then says nothing.
 */
export async function* readLines(
  body: AsyncIterable<Uint8Array>,
  silenceMs: number,
  now: () => number = () => performance.now(),
): AsyncGenerator<object, void, undefined> {
  let heard = now();
  const expectLine = () => {
    if (now() - heard > silenceMs) throw new TimeoutError(silenceMs, 'byte');
  };
  for await (const line of splitLines(body, expectLine)) {
    const text = line.toString('utf8').trim();
    if (text === '') {
      expectLine();
      continue;
    }
    const value = parseLine(text);
    throwIfError(value);
    yield value;
    // A slow reader is not the server's silence.
    heard = now();
  }
}

async function* splitLines(
  body: AsyncIterable<Uint8Array>,
  expectLine: () => void,
): AsyncGenerator<Buffer, void, undefined> {
  let pieces: Uint8Array[] = [];
  let buffered = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      yield Buffer.concat(pieces);
      pieces = [];
      buffered = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    expectLine();
    pieces.push(chunk.subarray(start));
    buffered += chunk.length - start;
    if (buffered > LONGEST_LINE) throw new UnreadableReply(`a line of more than ${LONGEST_LINE} bytes`);
  }
  // The last line may have no line end; if it was cut, it is not JSON.
  if (buffered > 0) yield Buffer.concat(pieces);
}

function parseLine(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UnreadableReply(`a line that is not JSON: ${cleanText(text.slice(0, 200))}`, { cause });
  }
  if (typeof value === 'object' && value !== null) return value;
  throw new UnreadableReply(`a line that is not an object: ${cleanText(text.slice(0, 200))}`);
}

/** Throws `ServerSaid` for `{"error": …}`, the form of every error inside a stream and of most outside one. */
export function throwIfError(value: unknown, status = 200): void {
  const line = ErrorLine.safeParse(value).data;
  if (line?.error === undefined || line.error === null) return;
  const text = typeof line.error === 'string' ? line.error : JSON.stringify(line.error);
  throw new ServerError(typeof line.status === 'number' ? line.status : status, cleanText(text));
}
