/**
 * Every failure that a user can encounter has one of these codes, and every code has one exit number.
 * The numbers are a contract with scripts: more may be added, none may change.
 */
export const EXIT_CODE = {
  bug: 1,

  'bad-usage': 2,
  'bad-configuration': 2,
  'bad-name': 2,
  /** A file where a folder should be, or the other way round. */
  'bad-path': 2,

  'model-not-found': 3,
  'quant-not-found': 3,
  'record-not-found': 3,
  'file-not-found': 3,
  'source-not-found': 3,

  'no-candidate': 4,

  network: 10,
  'remote-fault': 10,

  'digest-mismatch': 11,
  'truncated-file': 11,
  /** A signature is missing where one is required, or its key is not trusted. */
  untrusted: 11,
  /** Signed, but older than a version seen before, or expired: it may be a replay. */
  'stale-catalog': 11,

  'disk-full': 12,
  'memory-short': 12,

  'runtime-unreachable': 13,
  'runtime-not-ollama': 13,
  'runtime-too-old': 13,
  'runtime-missing': 13,
  'runtime-refused': 13,
  'runtime-died': 13,
  'runtime-timeout': 13,
  /** A server on another host without TLS, which `--require-tls` forbids. */
  'tls-required': 13,

  unauthorised: 14,
  /** This user may not read or write there, or its disk does not work: a person must act. */
  'file-access': 14,
  'licence-not-accepted': 14,

  busy: 15,

  'bad-gguf': 16,
  'wrong-architecture': 16,
  'bad-catalog': 16,
  'bad-template': 16,
  'bad-profile': 16,
  'bad-suite': 16,
  'foreign-model': 16,
  'bad-lock-file': 16,
  /** `--frozen`, and something is not what the lock file says. */
  'lock-differs': 16,
  'bad-bundle': 16,
  'bad-manifest': 16,
  /** A server redirects to where a public reference must not lead: to plain HTTP or into a private network. */
  'unsafe-redirect': 16,

  'smoke-failed': 17,
  'prompt-differs': 17,

  'bad-record': 18,
  'needs-repair': 18,

  interrupted: 130,
  terminated: 143,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof EXIT_CODE;

export interface ProvisionErrorOptions {
  /** What the user can do next, each an imperative sentence, best first. */
  readonly suggestions?: readonly string[];
  readonly cause?: unknown;
}

/** The only error that is thrown on purpose. Any other error that reaches the top is a bug of this tool. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
  readonly code: ErrorCode;
  readonly suggestions: readonly string[];

  constructor(code: ErrorCode, message: string, options: ProvisionErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.suggestions = options.suggestions ?? [];
  }

  get exitCode(): number {
    return EXIT_CODE[this.code];
  }
}

/** The chain of causes as texts, nearest first; cycles and non-errors are tolerated. */
export function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  const seen = new Set<unknown>([error]);
  let current = error instanceof Error ? error.cause : undefined;
  while (current !== undefined && current !== null && !seen.has(current)) {
    seen.add(current);
    causes.push(messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return causes;
}

/** The message of anything that can be thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  return typeof thrown === 'string' ? thrown : (JSON.stringify(thrown) ?? String(thrown));
}

/** What a fault that the system reports for a file means. */
const FILE_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EACCES: 'file-access',
  EPERM: 'file-access',
  EROFS: 'file-access',
  ENOTDIR: 'bad-path',
  EISDIR: 'bad-path',
  ENOENT: 'file-not-found',
};

/** The code of a fault that the system reported for a file; undefined for every other fault. */
export function fileErrorCode(thrown: unknown): ErrorCode | undefined {
  return FILE_ERRORS[errnoOf(thrown) ?? ''];
}

/** The errno word (`ENOENT`, `ECONNREFUSED`, …) of a Node error or of its causes, if there is one. */
export function errnoOf(thrown: unknown): string | undefined {
  let current: unknown = thrown;
  for (let depth = 0; depth < 8 && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string') return current.code;
    if (current instanceof AggregateError && current.errors.length > 0) current = current.errors[0];
    else current = current.cause;
  }
  return undefined;
}
