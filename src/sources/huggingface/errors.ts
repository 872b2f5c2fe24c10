import { type ErrorCode, ProvisionError } from '../../core/errors.ts';
import { redact } from '../../core/redact.ts';
import { formatDuration } from '../../core/units.ts';
import { retryAfterOf } from '../../net/retry-policy.ts';
import { type AccessToken, HUB, LOGIN_ENDPOINT } from '../credentials.ts';

/** A request to the hub that brought no answer to go on with. */
export interface HubRefusal {
  readonly status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** The error in the body's JSON, where there is one. */
  readonly said?: string;
}

/** A request to the hub: what it asks for, and the token sent with it. */
export interface HubRequest {
  /** `owner/repo`. */
  readonly repo: string;
  readonly revision: string;
  readonly file?: string;
  /** Base address of the hub, without a slash at its end. */
  readonly endpoint: string;
  readonly token?: AccessToken;
  /** A token that was not sent, because it was given for another hub. */
  readonly withheld?: AccessToken;
}

/** How to have a token sent to this hub. */
function howToLogIn({ endpoint, withheld }: HubRequest): string {
  if (withheld === undefined) {
    const own = URL.parse(endpoint)?.origin === HUB ? '' : ` and ${LOGIN_ENDPOINT}=${endpoint}`;
    return `Pass an access token: set HF_TOKEN${own}, or log in once with hf auth login.`;
  }
  return `The access token from ${withheld.from} was not sent: it is for ${withheld.origin}. If it was given for this hub, set ${LOGIN_ENDPOINT}=${endpoint}`;
}

/**
 * Explains a refusal of the hub. Its own words are in `X-Error-Code` (RepoNotFound, RevisionNotFound, EntryNotFound,
 * GatedRepo) and `X-Error-Message`. To those without a token it answers 401 also for what does not exist.
 */
export function hubFault(refused: HubRefusal, asked: HubRequest): ProvisionError {
  const { status } = refused;
  const word = refused.header('x-error-code') ?? '';
  const fault = (code: ErrorCode, what: string, ...suggestions: string[]): ProvisionError =>
    new ProvisionError(code, `${hostOf(asked)}: ${what} (HTTP ${status}${hubMessage(refused, asked)})`, {
      suggestions,
    });
  if (isWebPage(refused) && word === '' && status < 500 && status !== 429)
    return notTheHub(asked, `a web page (HTTP ${status})`);
  if (word === 'GatedRepo') return gated(fault, asked);
  if (status === 429 || status === 503) return overloaded(fault, refused, asked);
  if (status >= 500) return fault('remote-fault', 'the hub failed', 'Try again later.');
  if (status === 401 && asked.token !== undefined && word !== 'RepoNotFound') return badToken(fault, asked.token);
  if (word === 'RevisionNotFound') return noRevision(fault, asked);
  if (word === 'EntryNotFound') return noFile(fault, asked);
  if (word === 'RepoNotFound' || status === 401 || status === 404 || status === 410) return noRepo(fault, asked);
  if (status === 403) return forbidden(fault, asked);
  return fault(
    'remote-fault',
    `the hub did not return an answer about ${asked.repo}`,
    'Check HF_ENDPOINT, then try again.',
  );
}

/** What answers is not the hub, or something on the way answered in its place. */
export function notTheHub({ endpoint, repo }: HubRequest, what: string, cause?: unknown): ProvisionError {
  return new ProvisionError('remote-fault', `${endpoint} did not return a valid answer about ${repo}, but ${what}`, {
    cause,
    suggestions: [
      'Check HF_ENDPOINT: it must be the base address of the Hugging Face hub or of a mirror of it.',
      'Open that address in a browser: a login page, a captive portal or a proxy may have answered instead.',
    ],
  });
}

/** The hub's API answers in JSON. */
export function isWebPage({ header }: Pick<HubRefusal, 'header'>): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(header('content-type') ?? '');
}

type Fault = (code: ErrorCode, what: string, ...suggestions: string[]) => ProvisionError;

/** The page on which a licence is accepted. */
function pageOf({ endpoint, repo }: HubRequest): string {
  return `${endpoint}/${repo}`;
}

function gated(fault: Fault, asked: HubRequest): ProvisionError {
  const accept = `Accept the licence with your account at ${pageOf(asked)}`;
  if (asked.token === undefined)
    return fault(
      'unauthorised',
      `${asked.repo} is gated, and no access token was sent`,
      `${accept}.`,
      howToLogIn(asked),
    );
  return fault(
    'unauthorised',
    `${asked.repo} is gated, and the account of the token from ${asked.token.from} has no access to it`,
    `${accept}; some publishers answer only after a while.`,
    'A fine-grained token also needs the right to read public gated repositories.',
  );
}

function badToken(fault: Fault, token: AccessToken): ProvisionError {
  return fault(
    'unauthorised',
    `the access token from ${token.from} is not valid, or has expired`,
    'Make a new one at https://huggingface.co/settings/tokens and set it in the same place.',
    'For a public model it is enough to unset it.',
  );
}

function noRepo(fault: Fault, asked: HubRequest): ProvisionError {
  return fault(
    'source-not-found',
    `there is no repository ${asked.repo}, or it is private and ${asked.token === undefined ? 'no access token was sent' : `the account of the token from ${asked.token.from} may not see it`}`,
    'Check the spelling: owner and name count with capital letters.',
    ...(asked.token === undefined ? [`If it is private: ${howToLogIn(asked)}`] : []),
  );
}

function noRevision(fault: Fault, { repo, revision }: HubRequest): ProvisionError {
  return fault(
    'source-not-found',
    `${repo} has no revision ${revision}`,
    'Name a branch, a tag or a whole commit; without @REVISION it is main.',
  );
}

function noFile(fault: Fault, { repo, revision, file }: HubRequest): ProvisionError {
  return fault('source-not-found', `${repo} has no ${file ?? 'such file'} at ${revision}`, 'Check the file’s name.');
}

function forbidden(fault: Fault, asked: HubRequest): ProvisionError {
  return fault(
    'unauthorised',
    `access to ${asked.repo} is refused`,
    `See what its page says: ${pageOf(asked)}`,
    ...(asked.token === undefined ? [howToLogIn(asked)] : [`Check what the token from ${asked.token.from} may read.`]),
  );
}

function overloaded(fault: Fault, refused: HubRefusal, asked: HubRequest): ProvisionError {
  const waitMs = waitOf(refused);
  const when = waitMs === undefined ? 'Try again later.' : `Try again in ${formatDuration(waitMs)}.`;
  if (refused.status === 503) return fault('remote-fault', 'the hub is not available', when);
  const login = asked.token === undefined ? ['With an access token the limit is higher: set HF_TOKEN.'] : [];
  return fault('remote-fault', 'too many requests from this address', when, ...login);
}

/** In ms; undefined where the answer does not say, or gives a date. */
function waitOf(refused: HubRefusal): number | undefined {
  const text = retryAfterOf(refused)?.trim() ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

function hostOf({ endpoint }: HubRequest): string {
  return URL.parse(endpoint)?.host ?? endpoint;
}

/** The hub's own sentence: short, in one line, and never with the token in it. */
function hubMessage(refused: HubRefusal, { token }: HubRequest): string {
  const said = (refused.header('x-error-message') ?? refused.said ?? '').replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
  const safe = redact(said, token === undefined ? [] : [token.value]);
  return safe === '' ? '' : `: ${safe.length > 200 ? `${safe.slice(0, 200)}…` : safe}`;
}
