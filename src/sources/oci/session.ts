import { ProvisionError } from '../../core/errors.ts';
import { shownUrl, wrongAnswer } from '../../net/errors.ts';
import { type FollowRequest, readBody, sendFollowing } from '../../net/follow.ts';
import type { Http, HttpRequest } from '../../net/http.ts';
import { type Reach, reachOfHost } from '../../net/reach.ts';
import { type Challenge, checkRealm, parseChallenges } from './challenge.ts';
import { type Endpoint, findEndpoint, passwordOverHttp } from './endpoint.ts';
import { HOW_TO_LOG_IN, type RegistryRefusal, type RegistryRequest, registryFault } from './errors.ts';
import type { RegistryLogin, RegistryLogins } from './logins.ts';
import { TokenReply } from './manifest.ts';
import type { OciRef } from './reference.ts';

/** What talking to registries needs. */
export interface OciOptions {
  readonly http: Http;
  readonly logins: RegistryLogins;
  /** Registries (`host` or `host:port`) that the user wants reached by plain http, passwords included. */
  readonly plainHttp?: readonly string[];
  /** Hosts of token servers that the user trusts with passwords for registries on other hosts. */
  readonly realms?: readonly string[];
}

const LARGEST_WORD = 64 * 1024;
const TOKEN = /^[\x21-\x7e]{1,65536}$/;

export type Action = 'pull' | 'pull,push';
export type Answer = Awaited<ReturnType<typeof sendFollowing>>;

export interface Sent {
  readonly method: HttpRequest['method'];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Requests to one repository, logged in as far as the registry requires it. */
export class Session {
  readonly place: string;
  readonly #options: OciOptions;
  readonly #ref: Pick<OciRef, 'host' | 'repository'>;
  readonly #action: Action;
  #endpoint: Promise<Endpoint> | undefined;
  #authorization: string | undefined;
  #renewal: Promise<void> | undefined;
  #login: RegistryLogin | undefined;
  #withheldFrom: string | undefined;

  constructor(options: OciOptions, ref: Pick<OciRef, 'host' | 'repository'>, action: Action) {
    this.#options = options;
    this.#ref = ref;
    this.#action = action;
    this.place = `${ref.host}/${ref.repository}`;
  }

  /** An address below `/v2/<repository>/`. */
  async url(path: string, signal: AbortSignal): Promise<URL> {
    const { base } = await this.#reach(signal);
    return new URL(`/v2/${this.#ref.repository}/${path}`, base);
  }

  /** For the registry's own origin alone. */
  get secrets(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** Sends a request without a login first, and logs in once if the registry requires it. Follows redirects. */
  async send(sent: Sent): Promise<Answer> {
    const first = await this.#sendOnce(sent);
    if (first.reply.status !== 401 || first.url.origin !== sent.url.origin) return first;
    const challenges = parseChallenges(first.reply.header('www-authenticate') ?? '');
    await first.reply.close();
    await this.#authorizeOnce(challenges, first.reply.reach ?? reachOfHost(first.url.hostname), sent.signal);
    return this.#sendOnce(sent);
  }

  /** Several requests may find an expired token at the same time; they share one renewal. */
  async #authorizeOnce(challenges: readonly Challenge[], reach: Reach, signal: AbortSignal): Promise<void> {
    this.#renewal ??= this.#authorize(challenges, reach, signal).finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  /** Explains an unexpected answer and closes it. */
  async fault({ url, reply }: Answer, what: string, signal: AbortSignal): Promise<ProvisionError> {
    const body = await shortBody(url, reply, signal);
    return this.refused({ status: reply.status, header: (name) => reply.header(name), body }, what);
  }

  async refused(refused: RegistryRefusal, what: string): Promise<ProvisionError> {
    const helper = this.#login === undefined ? await this.#options.logins.helperFor(this.#ref.host) : undefined;
    const wanted: RegistryRequest = {
      place: this.place,
      what,
      ...(this.#login !== undefined && this.#withheldFrom === undefined && { loginFrom: this.#login.from }),
      ...(helper !== undefined && { helper }),
      ...(this.#withheldFrom !== undefined && { withheldFrom: this.#withheldFrom }),
    };
    return registryFault(refused, wanted);
  }

  #reach(signal: AbortSignal): Promise<Endpoint> {
    const { http, plainHttp = [] } = this.#options;
    this.#endpoint ??= findEndpoint(http, this.#ref.host, plainHttp, signal);
    this.#endpoint.catch(() => {
      this.#endpoint = undefined;
    });
    return this.#endpoint;
  }

  #sendOnce({ method, url, headers, body, signal }: Sent): Promise<Answer> {
    return sendFollowing(this.#options.http, {
      method,
      url,
      secrets: this.secrets,
      ...(headers && { headers }),
      ...(body !== undefined && { body }),
      signal,
    });
  }

  async #authorize(challenges: readonly Challenge[], reach: Reach, signal: AbortSignal): Promise<void> {
    const endpoint = await this.#reach(signal);
    this.#login = await this.#options.logins.find(this.#ref.host);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      this.#authorization = `Bearer ${await this.#token(bearer, endpoint, reach, signal)}`;
      return;
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) {
      throw new ProvisionError('remote-fault', `${this.place}: the registry does not say how to log in (HTTP 401)`, {
        suggestions: ['Check that the reference names a registry.'],
      });
    }
    if (this.#login === undefined || this.#login.refreshToken !== undefined) return;
    if (!endpoint.mayCarryPasswords) throw passwordOverHttp(this.#ref.host);
    this.#authorization = basic(this.#login);
  }

  /** The scope is ours, not the one that the registry names: a registry must not obtain a token for another repository. */
  async #token(bearer: Challenge, endpoint: Endpoint, reach: Reach, signal: AbortSignal): Promise<string> {
    const realm = checkRealm(bearer.parameters.get('realm') ?? '', endpoint.base, this.#options.realms ?? [], reach);
    const login = realm.trusted ? this.#login : undefined;
    this.#withheldFrom = this.#login !== undefined && !realm.trusted ? realm.url.host : undefined;
    if (login !== undefined && realm.url.protocol === 'http:' && !endpoint.mayCarryPasswords)
      throw passwordOverHttp(this.#ref.host);
    const asked = {
      ...(bearer.parameters.has('service') && { service: bearer.parameters.get('service') ?? '' }),
      scope: `repository:${this.#ref.repository}:${this.#action}`,
    };
    const from = realm.url.origin === endpoint.base.origin ? undefined : reach;
    const answer = await this.#askForToken({ realm: realm.url, from }, asked, login, signal);
    try {
      if (answer.reply.status !== 200) throw await this.#tokenFault(answer, login, signal);
      const body = await readBody(answer.url, answer.reply, LARGEST_WORD, signal);
      return tokenIn(answer.url, body);
    } finally {
      await answer.reply.close();
    }
  }

  #askForToken(
    { realm, from }: { readonly realm: URL; readonly from: Reach | undefined },
    asked: Record<string, string>,
    login: RegistryLogin | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { http } = this.#options;
    if (login?.refreshToken === undefined) {
      const url = new URL(realm);
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
      const secrets = login === undefined ? {} : { authorization: basic(login) };
      return sendFollowing(http, { method: 'GET', url, secrets, from, signal });
    }
    const form = {
      ...asked,
      grant_type: 'refresh_token',
      client_id: 'gemma-provision',
      refresh_token: login.refreshToken,
    };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return postOnce(http, { url: realm, headers, body: new URLSearchParams(form).toString(), from, signal });
  }

  async #tokenFault(answer: Answer, login: RegistryLogin | undefined, signal: AbortSignal): Promise<ProvisionError> {
    const { status } = answer.reply;
    const refused = { status, header: answer.reply.header, body: await shortBody(answer.url, answer.reply, signal) };
    if (status !== 401 && status !== 403)
      return registryFault(refused, { place: shownUrl(answer.url), what: 'an access token' });
    if (login === undefined) return this.refused(refused, 'an access token');
    return new ProvisionError(
      'unauthorised',
      `${this.place}: the login from ${login.from} is not accepted (HTTP ${status})`,
      {
        suggestions: ['Log in again: the password may have changed, or expired.', HOW_TO_LOG_IN],
      },
    );
  }
}

/** A form with a secret in it is sent to one place and follows no redirect. */
async function postOnce(
  http: OciOptions['http'],
  sent: Pick<FollowRequest, 'url' | 'headers' | 'from' | 'signal'> & { readonly body: string },
): Promise<Answer> {
  const strict: OciOptions['http'] = async (request) => {
    const reply = await http(request);
    if (reply.status < 300 || reply.status > 399) return reply;
    await reply.close();
    throw wrongAnswer(sent.url, 'the token server redirects to another address');
  };
  return sendFollowing(strict, { method: 'POST', secrets: {}, ...sent });
}

function basic({ user, password }: RegistryLogin): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

function tokenIn(url: URL, body: Buffer): string {
  let parsed: { token?: string | undefined; access_token?: string | undefined } = {};
  try {
    parsed = TokenReply.parse(JSON.parse(body.toString('utf8')));
  } catch {
    // The text may contain a token, so no message quotes it.
  }
  const token = parsed.token ?? parsed.access_token;
  if (token !== undefined && TOKEN.test(token)) return token;
  throw wrongAnswer(url, 'the token server did not return a token');
}

/** The body of a refusal. Its text helps the user; failing to read it is not reported as an error. */
export async function shortBody(url: URL, reply: Answer['reply'], signal: AbortSignal): Promise<Buffer> {
  try {
    // The declared length may be wrong, and there may be no body at all.
    if (reply.status === 416) return Buffer.alloc(0);
    return await readBody(url, reply, LARGEST_WORD, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ProvisionError)) throw error;
    return Buffer.alloc(0);
  } finally {
    await reply.close();
  }
}
