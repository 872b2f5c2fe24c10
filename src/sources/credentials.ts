import { join } from 'node:path';
import { ProvisionError } from '../core/errors.ts';
import { hubHome, pathIn } from './huggingface/folders.ts';

/** A secret and the place where it was found. The secret is only sent to its server; messages name only the place. */
export interface AccessToken {
  readonly value: string;
  /** `HF_TOKEN`, or the path of a file. */
  readonly from: string;
  /** The one origin that it was given for: it is sent to no other, no mirror and no redirect. */
  readonly origin: string;
}

/** The hub that a token is for, unless the user says otherwise. */
export const HUB = 'https://huggingface.co';
/** Names the hub that the user's token was given for, where that is another one. Not called a token: values of variables so named are hidden. */
export const LOGIN_ENDPOINT = 'GEMMA_PROVISION_HF_LOGIN_ENDPOINT';

/** Where secrets for servers come from. */
export interface Credentials {
  /** The access token for the Hugging Face hub, if this user has one. Throws `bad-configuration`. */
  hubToken(): Promise<AccessToken | undefined>;
}

export interface CredentialOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home folder. */
  readonly home: string;
  /** Undefined when there is no such file. */
  readText(path: string): Promise<string | undefined>;
}

/** Characters that a header can contain. For anything else, HTTP would fail with an error that quotes the token. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const TRUE = ['1', 'on', 'yes', 'true'];

/**
 * The places of `huggingface_hub`, in its order: HF_TOKEN, the older HUGGING_FACE_HUB_TOKEN, then the file HF_TOKEN_PATH,
 * or `token` in HF_HOME, in `$XDG_CACHE_HOME/huggingface` or in `~/.cache/huggingface`. HF_HUB_DISABLE_IMPLICIT_TOKEN
 * forbids all of them. Asked for once in a run.
 */
export function createCredentials(options: CredentialOptions): Credentials {
  let found: Promise<AccessToken | undefined> | undefined;
  return {
    hubToken() {
      found ??= findHubToken(options);
      return found;
    },
  };
}

async function findHubToken({ env, home, readText }: CredentialOptions): Promise<AccessToken | undefined> {
  if (TRUE.includes(env.HF_HUB_DISABLE_IMPLICIT_TOKEN?.toLowerCase() ?? '')) return undefined;
  const found = await findToken({ env, home, readText });
  return found && { ...found, origin: tokenOrigin(env) };
}

type Found = Omit<AccessToken, 'origin'>;

async function findToken({ env, home, readText }: CredentialOptions): Promise<Found | undefined> {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = checked(env[name], name);
    if (token !== undefined) return token;
  }
  const path = tokenPath(env, home);
  // An unreadable file is ignored: most models need no token.
  const text = await readText(path).catch(() => undefined);
  return checked(text, path);
}

function tokenOrigin(env: CredentialOptions['env']): string {
  const named = env[LOGIN_ENDPOINT];
  const url = URL.parse(named === undefined || named === '' ? HUB : named);
  if (url !== null && ['https:', 'http:'].includes(url.protocol)) return url.origin;
  throw new ProvisionError('bad-configuration', `${LOGIN_ENDPOINT} is not a usable web address.`, {
    suggestions: [`Set it to the address of the hub that gave the token, such as ${HUB}, or unset it.`],
  });
}

function tokenPath(env: CredentialOptions['env'], home: string): string {
  return pathIn(env, home, 'HF_TOKEN_PATH') ?? join(hubHome(env, home), 'token');
}

function checked(text: string | undefined, from: string): Found | undefined {
  const value = text?.trim();
  if (value === undefined || value === '') return undefined;
  if (TOKEN.test(value)) return { value, from };
  throw new ProvisionError(
    'bad-configuration',
    `The access token from ${from} contains characters that are not allowed in a token.`,
    {
      suggestions: ['Set it again without quotes, spaces or line breaks inside.'],
    },
  );
}
