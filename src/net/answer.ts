import { pageAdvice, statusFault, wrongAnswer } from './errors.ts';
import { retryAfterOf } from './retry-policy.ts';

/** What is looked at of an answer. */
interface AnswerHead {
  readonly status: number;
  header(name: string): string | undefined;
}

/** The stretch of the file that an answer brings. */
export interface Stretch {
  /** Offset in the file of the first byte of the body. */
  readonly start: number;
  /** Offset behind its last byte; undefined where the server does not say how much there is. */
  readonly end: number | undefined;
  /** Size of the whole file, where it is told. */
  readonly fileBytes: number | undefined;
  /** False where the server sends the file from its start whatever was asked. */
  readonly ranged: boolean;
}

/**
 * Makes sure that an answer brings the bytes that were asked for, from `offset` on.
 * Throws `source-not-found`, `unauthorised`, `network`, `remote-fault`.
 */
export function checkAnswer(url: URL, reply: AnswerHead, offset: number): Stretch {
  const { status } = reply;
  if (status === 416) return behindTheEnd(url, reply, offset);
  if (status !== 200 && status !== 206) throw statusFault(url, status, retryAfterOf(reply));
  const type = reply.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'text/html' || type === 'application/xhtml+xml') {
    throw wrongAnswer(url, 'the answer is a web page, not the file', [
      ...pageAdvice(url),
      'Open the address in a browser: a login, a captive portal or a proxy may have answered instead.',
    ]);
  }
  const encoding = reply.header('content-encoding')?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
    throw wrongAnswer(url, `the answer is compressed (${encoding.slice(0, 20)}) though that was not asked for`);
  }
  return status === 200 ? wholeFile(reply) : partOfFile(url, reply, type, offset);
}

function wholeFile(reply: AnswerHead): Stretch {
  const length = count(reply.header('content-length'));
  return { start: 0, end: length, fileBytes: length, ranged: false };
}

function partOfFile(url: URL, reply: AnswerHead, type: string | undefined, offset: number): Stretch {
  if (type === 'multipart/byteranges')
    throw wrongAnswer(url, 'the answer has several ranges, though one was asked for');
  const text = reply.header('content-range');
  if (text === undefined) throw wrongAnswer(url, 'a part was answered without saying which (no Content-Range)');
  const match = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(text.trim());
  const first = count(match?.[1]);
  const last = count(match?.[2]);
  const total = match?.[3] === '*' ? undefined : count(match?.[3]);
  const sane = first !== undefined && last !== undefined && first <= last && (total ?? last + 1) > last;
  if (!sane || (match?.[3] !== '*' && total === undefined)) {
    throw wrongAnswer(url, `the answer's Content-Range makes no sense: ${JSON.stringify(text.slice(0, 60))}`);
  }
  if (first !== offset) throw wrongAnswer(url, `asked for bytes from ${offset} on, the answer starts at ${first}`);
  return { start: first, end: last + 1, fileBytes: total, ranged: true };
}

/** 416: there are no bytes at `offset`. */
function behindTheEnd(url: URL, reply: AnswerHead, offset: number): Stretch {
  const total = count(/^bytes\s+\*\/(\d+)$/i.exec(reply.header('content-range')?.trim() ?? '')?.[1]);
  // Servers refuse the range of an empty file in this way; some do not tell its size.
  if (total === undefined ? offset > 0 : offset < total) {
    throw wrongAnswer(url, `the server refuses to give the bytes from ${offset} on (HTTP 416)`);
  }
  return { start: offset, end: offset, fileBytes: total ?? 0, ranged: true };
}

function count(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text.trim())) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
