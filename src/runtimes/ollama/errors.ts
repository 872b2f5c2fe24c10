import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { isCutOff, isOtherProtocol } from '../../net/errors.ts';
import { BodyTooLongError, TimeoutError } from '../../net/http.ts';
import { CutShort, ServerSaid, Unreadable } from './faults.ts';
import { meaningOf } from './words.ts';

/** What was going on when something failed. */
export interface FailureContext {
  /** For the message: `creating tiny:q4`. */
  readonly doing: string;
  /** Base address without credentials. */
  readonly endpoint: string;
  /** True for the first question to a server, whose answer tells whether it is one. */
  readonly probing?: boolean;
  readonly signal?: AbortSignal;
}

/** Gives every failure of a call its meaning; an error that has one already comes back as it is. */
export function failureOf(thrown: unknown, context: FailureContext): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  if (context.signal?.aborted) return interrupted(thrown, context);
  if (thrown instanceof ServerSaid) return serverSaid(thrown, context);
  if (thrown instanceof TimeoutError) return silent(thrown, context);
  if (thrown instanceof Unreadable || thrown instanceof BodyTooLongError) return unreadable(thrown, context);
  if (thrown instanceof CutShort) return died(thrown, context);
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

function connectionFailed(thrown: unknown, context: FailureContext): ProvisionError {
  const word = errnoOf(thrown) ?? '';
  if (UNREACHABLE.has(word))
    return unreachable(`${word === 'ECONNREFUSED' ? 'nothing listens there' : word}`, thrown, context);
  if (isOtherProtocol(thrown)) return unreadable(thrown, context);
  if (/CERT|^(DEPTH_ZERO|UNABLE_TO_|SELF_SIGNED)/.test(word)) {
    return new ProvisionError(
      'runtime-unreachable',
      `The certificate of ${context.endpoint} is not trusted (${word}).`,
      {
        cause: thrown,
        suggestions: ['Name the authority that signed it in NODE_EXTRA_CA_CERTS.'],
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
      'If it runs elsewhere, say where: --host HOST or OLLAMA_HOST.',
      'Without Ollama, use --runtime embedded.',
    ],
  });
}

function silent(thrown: TimeoutError, context: FailureContext): ProvisionError {
  if (thrown.connecting) return unreachable(`no connection within ${formatDuration(thrown.ms)}`, thrown, context);
  return new ProvisionError(
    'runtime-timeout',
    `${context.endpoint} said nothing for ${formatDuration(thrown.ms)} while ${context.doing}.`,
    {
      cause: thrown,
      suggestions: [
        'Look at the server: its log, its load, whether it swaps.',
        'Restart it and run the command again.',
      ],
    },
  );
}

function unreadable(thrown: unknown, context: FailureContext): ProvisionError {
  const message = context.probing
    ? `Something answers at ${context.endpoint}, but it is not an Ollama server: ${messageOf(thrown)}.`
    : `${context.endpoint} answered in a way that no Ollama server does while ${context.doing}: ${messageOf(thrown)}.`;
  return new ProvisionError('runtime-not-ollama', message, {
    cause: thrown,
    suggestions: ['Check host and port: --host HOST or OLLAMA_HOST.', 'A proxy in between may answer in its place.'],
  });
}

function died(thrown: unknown, context: FailureContext): ProvisionError {
  return new ProvisionError(
    'runtime-died',
    `The server at ${context.endpoint} closed the connection while ${context.doing}: ${messageOf(thrown)}.`,
    {
      cause: thrown,
      suggestions: [
        "Look at the server's log: it may have run out of memory, or crashed on the file.",
        'Start it again if it is gone, then run the command again.',
      ],
    },
  );
}

function serverSaid(said: ServerSaid, context: FailureContext): ProvisionError {
  const { code, suggestions } = meaningOf(said, context.probing === true);
  const status = said.status === 200 || said.message.startsWith('HTTP ') ? '' : ` (HTTP ${said.status})`;
  const message =
    code === 'runtime-not-ollama'
      ? `Something answers at ${context.endpoint}, but it is not an Ollama server${status}: ${said.message}`
      : `The server refused while ${context.doing}${status}: ${said.message}`;
  return new ProvisionError(code, message, { cause: said, suggestions });
}
