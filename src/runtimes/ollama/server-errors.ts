import { type ErrorCode, errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { CHECK_SCHEME, isCutOff, isOtherProtocol, otherProtocolReason } from '../../net/errors.ts';
import { BodyTooLongError, TimeoutError } from '../../net/http.ts';

/** What was going on when something failed. */
export interface FailureContext {
  /** For the message: `creating tiny:q4`. */
  readonly doing: string;
  /** Base address without credentials. */
  readonly endpoint: string;
  /** True for the first question to a server, whose answer shows whether it is one. */
  readonly probing?: boolean;
  readonly signal?: AbortSignal;
}

/** Gives every failure of a call its meaning; an error that has one already comes back as it is. */
export function failureOf(thrown: unknown, context: FailureContext): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  if (context.signal?.aborted) return interrupted(thrown, context);
  if (thrown instanceof ServerError) return serverSaid(thrown, context);
  if (thrown instanceof TimeoutError) return silent(thrown, context);
  if (thrown instanceof UnreadableReply || thrown instanceof BodyTooLongError) return unreadable(thrown, context);
  if (thrown instanceof IncompleteStream) return died(thrown, context);
  return connectionFailed(thrown, context);
}

function interrupted(thrown: unknown, { doing, signal }: FailureContext): ProvisionError {
  const reason: unknown = signal?.reason;
  if (reason instanceof ProvisionError) return reason;
  return new ProvisionError('interrupted', `Interrupted while ${doing}.`, { cause: thrown });
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
  'ETIMEDOUT',
]);

const UNREACHABLE_REASON: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no host of that name is known',
  EAI_AGAIN: 'the name of the host could not be looked up',
};

function connectionFailed(thrown: unknown, context: FailureContext): ProvisionError {
  const word = errnoOf(thrown) ?? '';
  if (UNREACHABLE.has(word)) return unreachable(UNREACHABLE_REASON[word] ?? word, thrown, context);
  if (isOtherProtocol(thrown)) return unreadable(thrown, context);
  if (/CERT|^(DEPTH_ZERO|UNABLE_TO_|SELF_SIGNED)/.test(word)) {
    return new ProvisionError(
      'runtime-unreachable',
      `The certificate of ${context.endpoint} is not trusted (${word}).`,
      {
        cause: thrown,
        suggestions: ['Add the authority that signed it with NODE_EXTRA_CA_CERTS.'],
      },
    );
  }
  if (isCutOff(thrown)) {
    return context.probing ? unreadable(thrown, context) : died(thrown, context);
  }
  return new ProvisionError('bug', `Unexpected failure while ${context.doing}: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}

function unreachable(reason: string, cause: unknown, { endpoint }: FailureContext): ProvisionError {
  return new ProvisionError('runtime-unreachable', `No Ollama server answers at ${endpoint}: ${reason}.`, {
    cause,
    suggestions: [
      'Start Ollama: run "ollama serve", or open the Ollama app.',
      'If it runs elsewhere, pass --host HOST or set OLLAMA_HOST.',
      'Without Ollama, install with --runtime embedded.',
    ],
  });
}

function silent(thrown: TimeoutError, context: FailureContext): ProvisionError {
  if (thrown.missing === 'connection')
    return unreachable(`no connection within ${formatDuration(thrown.ms)}`, thrown, context);
  const time = formatDuration(thrown.ms);
  const what = thrown.missing === 'end' ? `did not finish its answer within ${time}` : `sent nothing for ${time}`;
  return new ProvisionError('runtime-timeout', `${context.endpoint} ${what} while ${context.doing}.`, {
    cause: thrown,
    suggestions: ["Check the server's log, its load, and whether it swaps.", 'Restart it and run the command again.'],
  });
}

function unreadable(thrown: unknown, context: FailureContext): ProvisionError {
  const protocol = otherProtocolReason(thrown);
  const why = protocol ?? messageOf(thrown);
  const message = context.probing
    ? `${context.endpoint} is not an Ollama server: ${why}.`
    : `${context.endpoint} did not answer like an Ollama server while ${context.doing}: ${why}.`;
  return new ProvisionError('runtime-not-ollama', message, {
    cause: thrown,
    suggestions: [
      'Check host and port: --host HOST or OLLAMA_HOST.',
      protocol === undefined ? 'A proxy in between may answer in its place.' : CHECK_SCHEME,
    ],
  });
}

function died(thrown: unknown, context: FailureContext): ProvisionError {
  return new ProvisionError(
    'runtime-died',
    `The server at ${context.endpoint} closed the connection while ${context.doing}: ${messageOf(thrown)}.`,
    {
      cause: thrown,
      suggestions: [
        "Check the server's log: it may have run out of memory, or crashed on the file.",
        'Start it again if it is gone, then run the command again.',
      ],
    },
  );
}

function serverSaid(said: ServerError, context: FailureContext): ProvisionError {
  const { code, suggestions } = meaningOf(said, context.probing === true);
  const status = said.status === 200 || said.message.startsWith('HTTP ') ? '' : ` (HTTP ${said.status})`;
  const message =
    code === 'runtime-not-ollama'
      ? `${context.endpoint} is not an Ollama server${status}: ${said.message}`
      : `The server reported an error while ${context.doing}${status}: ${said.message}`;
  return new ProvisionError(code, message, { cause: said, suggestions });
}

/** What a failure means for the user. */
export interface Meaning {
  readonly code: ErrorCode;
  readonly suggestions: readonly string[];
}

const TOO_OLD: Meaning = {
  code: 'runtime-too-old',
  suggestions: ['Upgrade Ollama.', 'Or use --runtime embedded, which has its own engine.'],
};

/**
 * The server's own words and what they mean, first match first. Words of 0.1.34 to 0.33; sources: the recorded
 * exchanges, ollama's server/ and llm/ at these tags, and its issue threads.
 */
const WORDS: readonly (readonly [RegExp, Meaning])[] = [
  [/requires a newer version of Ollama|manifest: 412/i, TOO_OLD],
  [/not supported by your version|unknown model architecture|unsupported (model )?architecture/i, TOO_OLD],
  [
    /no space left|not enough space|disk (is )?full|disk quota exceeded/i,
    { code: 'disk-full', suggestions: ["Free space on the disk of the server's models folder (OLLAMA_MODELS)."] },
  ],
  [
    /more system memory|out of memory|insufficient memory|cudaMalloc failed|unable to allocate|failed to allocate|cannot allocate memory/i,
    {
      code: 'memory-short',
      suggestions: [
        'Choose a smaller quant, or a smaller context with --ctx.',
        'Unload other models: ollama stop NAME.',
      ],
    },
  ],
  [
    /server busy|too many requests/i,
    { code: 'runtime-refused', suggestions: ['The server is busy: wait a little and run the command again.'] },
  ],
  [
    /digest mismatch/i,
    { code: 'digest-mismatch', suggestions: ['Check the file, and the digest that was given for it.'] },
  ],
  [
    /llama-quantize (unavailable|binary not found)|llama-server (binary )?not found/i,
    {
      code: 'runtime-missing',
      suggestions: ['Reinstall Ollama: its helper programs are missing.'],
    },
  ],
  [
    /failed to validate GGUF|invalid file magic|invalid gguf|unsupported gguf|unexpected EOF.*gguf|no tensors/i,
    { code: 'bad-gguf', suggestions: ['The file is damaged, or of an architecture that this server does not know.'] },
  ],
  [/template error|invalid template/i, { code: 'bad-template', suggestions: ['Correct the chat template.'] }],
  [/invalid model name/i, { code: 'bad-name', suggestions: ['Use a name such as gemma-3n-e4b:q5_k_m.'] }],
  [
    /option "[^"]*" must be|invalid options|unknown parameter|prompt is longer than the context|exceeds (the )?(available |maximum )?context/i,
    { code: 'bad-usage', suggestions: ['Correct the parameter, or shorten the prompt.'] },
  ],
  [
    /does not support multimodal|missing data required for image/i,
    { code: 'runtime-refused', suggestions: ['Leave the pictures out: the stored model does not accept any.'] },
  ],
  [
    /pull model manifest: file does not exist/i,
    { code: 'source-not-found', suggestions: ['Check the name in the library.'] },
  ],
  [
    /dial tcp|no such host|i\/o timeout|TLS handshake|connection (refused|reset)|max retries exceeded/i,
    {
      code: 'network',
      suggestions: ["The server could not reach the registry: check the server's network and proxy."],
    },
  ],
  [
    /model .*not found|no such model/i,
    { code: 'model-not-found', suggestions: ['List what the server has: ollama list.'] },
  ],
  [
    /process (has terminated|no longer running)|runner (has )?(terminated|unexpectedly stopped)/i,
    {
      code: 'runtime-died',
      suggestions: ["Check the server's log: the model's process ended.", 'A smaller quant or context may help.'],
    },
  ],
  [
    /unable to load model|error loading model|failed to load model/i,
    {
      code: 'runtime-refused',
      suggestions: ['The file is damaged, or of an architecture that this server does not know.'],
    },
  ],
];

/** The meaning of a server's error. While probing, only the status counts: the words may be anybody's. */
export function meaningOf(said: ServerError, probing: boolean): Meaning {
  const known = probing ? undefined : WORDS.find(([pattern]) => pattern.test(said.message));
  return known?.[1] ?? meaningOfStatus(said.status, probing);
}

function meaningOfStatus(status: number, probing: boolean): Meaning {
  if (status === 401)
    return {
      code: 'unauthorised',
      suggestions: ['Give the credentials of the proxy in the host: http://user:password@host.'],
    };
  if (status === 403) {
    return {
      code: 'runtime-refused',
      suggestions: [
        'A server bound to loopback refuses other host names: use 127.0.0.1, or let its proxy set the Host header.',
      ],
    };
  }
  if (status === 412) return TOO_OLD;
  if (status === 502 || status === 503 || status === 504) {
    return {
      code: 'runtime-refused',
      suggestions: ['Run the command again: the server, or a proxy in front of it, is busy or starting.'],
    };
  }
  if (probing) return { code: 'runtime-not-ollama', suggestions: ['Check host and port: --host HOST or OLLAMA_HOST.'] };
  if (status === 404 || status === 405) {
    return { code: 'runtime-too-old', suggestions: ['Upgrade Ollama: this server does not support the call.'] };
  }
  return { code: 'runtime-refused', suggestions: ["Check the server's log for the reason."] };
}

/** What can go wrong on the wire, before it gets a meaning (see `failureOf`). */

/** The server answered with an error: an HTTP status, or an error line inside a stream that began with 200. */
export class ServerError extends Error {
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
export class UnreadableReply extends Error {
  override readonly name = 'Unreadable';
}

/** The stream ended before the line that says the work is done. */
export class IncompleteStream extends Error {
  override readonly name = 'CutShort';
}

const LONGEST = 400;
/** What is looked at of a foreign text: enough for the words of a page below its scripts and styles. */
const LOOKED_AT = 64 * 1024;

/** Foreign text for our messages: no control or direction characters, no markup, one line, at most 400 characters. */
export function cleanText(foreign: string): string {
  const text = foreign.slice(0, LOOKED_AT);
  const plain = /^\s*<(?:!doctype|html|head|\?xml)/i.test(text) ? withoutMarkup(text) : text;
  const line = plain
    // Terminal escapes go as a whole, so that their letters do not stay behind.
    .replace(/\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\s]+/gu, ' ')
    .trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}

/** One pass over the text, whatever it contains: a tag that is not closed must not be searched for its end again and again. */
function withoutMarkup(text: string): string {
  const lower = text.toLowerCase();
  let plain = '';
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('<', at);
    if (open < 0) return plain + text.slice(at);
    plain += `${text.slice(at, open)} `;
    const element = /^<(script|style)/.exec(lower.slice(open, open + 7))?.[1];
    const close = element === undefined ? -1 : lower.indexOf(`</${element}`, open);
    const end = element !== undefined && close < 0 ? -1 : text.indexOf('>', Math.max(open, close));
    if (end < 0) return plain;
    at = end + 1;
  }
  return plain;
}
