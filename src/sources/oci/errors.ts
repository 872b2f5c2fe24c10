import { type ErrorCode, ProvisionError } from '../../core/errors.ts';
import { ErrorReply } from './manifest.ts';

export interface RegistryRefusal {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Buffer;
}

/** What was wanted, and what is known of the way there. */
export interface RegistryRequest {
  /** `ghcr.io/owner/model`. */
  readonly place: string;
  /** `the manifest v1`, `a blob`, `to upload`. */
  readonly what: string;
  /** Where the password came from that was sent. */
  readonly loginFrom?: string;
  /** A program that has a password, perhaps; we do not run it. */
  readonly helper?: string;
  /** A token server that got no password of ours. */
  readonly withheldFrom?: string;
}

export const HOW_TO_LOG_IN =
  'Log in with docker login or podman login, or set GEMMA_PROVISION_OCI_USERNAME, GEMMA_PROVISION_OCI_PASSWORD and GEMMA_PROVISION_OCI_REGISTRY.';

/** Explains a refusal of a registry and quotes its message. */
export function registryFault(refused: RegistryRefusal, wanted: RegistryRequest): ProvisionError {
  const { status } = refused;
  const { place, what } = wanted;
  const fault = (code: ErrorCode, why: string, ...suggestions: string[]): ProvisionError =>
    new ProvisionError(code, `${place}: ${why} (HTTP ${status}${registryMessage(refused.body)})`, { suggestions });
  if (status === 401 || status === 403) return unauthorised(fault, status, wanted);
  if (status === 404 || status === 410)
    return fault('source-not-found', `the registry does not have ${what}`, 'Check repository, tag and digest.');
  if (status === 429 || status === 503) {
    const after = refused.header('retry-after')?.slice(0, 40);
    const when = after === undefined ? 'Try again later.' : `Try again after ${after} (seconds or a date).`;
    return fault('remote-fault', status === 429 ? 'too many requests' : 'the registry is not available', when);
  }
  if (status === 413)
    return fault(
      'remote-fault',
      `the registry does not accept a blob of that size`,
      'Ask its operator to raise the limit.',
    );
  if (status >= 500) return fault('remote-fault', 'the registry failed', 'Try again later.');
  return fault('remote-fault', `the registry did not return ${what}`, 'Check that the reference names a registry.');
}

type Fault = (code: ErrorCode, why: string, ...suggestions: string[]) => ProvisionError;

function unauthorised(fault: Fault, status: number, wanted: RegistryRequest): ProvisionError {
  const { place, what, loginFrom, helper, withheldFrom } = wanted;
  if (withheldFrom !== undefined) {
    return fault(
      'unauthorised',
      `it asks for a password to be sent to ${withheldFrom}, which is another server, so none was sent`,
      `If that token server belongs to this registry, name it: GEMMA_PROVISION_OCI_REALM=${withheldFrom}`,
      'Otherwise do not send your password: this may be a phishing attempt.',
    );
  }
  if (loginFrom !== undefined)
    return fault(
      'unauthorised',
      `the login from ${loginFrom} is not authorised for ${what}`,
      'Check what that account may do there.',
    );
  const named = helper === undefined ? [] : [`The login that docker keeps in ${helper} cannot be read by this tool.`];
  const why = status === 401 ? `authentication is required for ${what}` : `access to ${what} is refused`;
  return fault(
    'unauthorised',
    why,
    HOW_TO_LOG_IN,
    ...named,
    `Check the spelling of ${place}: some registries give this answer for a repository that does not exist.`,
  );
}

function registryMessage(body: Buffer): string {
  try {
    const parsed = ErrorReply.safeParse(JSON.parse(body.toString('utf8')));
    const [first] = parsed.success ? parsed.data.errors : [];
    const words = [first?.code, first?.message].filter((word) => word !== undefined && word !== null && word !== '');
    const text = words
      .join(': ')
      .replaceAll(/[\p{Cc}\p{Bidi_Control}\s]+/gu, ' ')
      .trim();
    return text === '' ? '' : `: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`;
  } catch {
    return '';
  }
}
