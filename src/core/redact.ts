/**
 * Removes secrets from texts that are shown or written to files: by their shape (user and password of an address, the
 * signature of a presigned one, an authorization header, well-known tokens) and by their value where that is known.
 */

/** Replaces a secret. */
export const HIDDEN = '***';

/** Names of variables whose value is a secret. */
const SECRET_NAME = /KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH(?!OR)/i;

/** Shorter ones occur in any text: hiding them would hide the text. */
const SHORTEST = 4;

/** Short values of such variables are usually placeholders, not secrets: `OPENAI_API_KEY=ollama`. */
const SHORTEST_VALUE = 8;

/** Parameters of an address that grant access: AWS, Google, Azure, CloudFront, and plain names. */
const SIGNED_PARAMETER =
  /([?&;](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|se?ckey|policy|key-pair-id|awsaccesskeyid|googleaccessid|(?:access|refresh|id|auth|private|api)?[_-]?(?:token|key)|auth|password|passwd|pwd|secret|client[_-]secret|code|sas|hmac|ticket|jwt|session)=)[^&;#\s"'<>]*/gi;

/** Up to the last `@` before the path: a password may hold one. */
const USER_INFO = /:\/\/[^\s/?#"'<>]*@/g;

const AUTHORIZATION = /\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:[a-z]+\s+)?)[^\s"',;]+/gi;
const SCHEME = /\b(bearer|basic)\s+[a-z0-9+/=._~-]{6,}/gi;

/** Hugging Face, GitHub, GitLab, OpenAI-like, AWS key ids, JSON web tokens. */
const TOKEN =
  /\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{8,}|github_pat_\w{8,}|glpat-[\w-]{8,}|sk-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)/g;

/** A text without what looks like a secret. */
export function redactShapes(text: string): string {
  return text
    .replace(USER_INFO, `://${HIDDEN}@`)
    .replace(SIGNED_PARAMETER, `$1${HIDDEN}`)
    .replace(AUTHORIZATION, `$1${HIDDEN}`)
    .replace(SCHEME, `$1 ${HIDDEN}`)
    .replace(TOKEN, HIDDEN);
}

/** A text without the given secrets, nor what looks like one: for descriptions of failures. */
export function redact(text: string, secrets: Iterable<string>): string {
  return redactShapes(redactKnown(text, secrets));
}

/** A text without the given secrets, as they are and as they appear in JSON and in addresses. */
export function redactKnown(text: string, secrets: Iterable<string>): string {
  const forms = [...secrets].filter((secret) => secret.length >= SHORTEST).flatMap(formsOf);
  // Longest first: a secret may be a part of another one.
  const known = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return known.reduce((left, secret) => left.replaceAll(secret, HIDDEN), text);
}

function formsOf(secret: string): string[] {
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)];
}

/** A reference for records and reports: without user, password, and parameters of presigned addresses. */
export function redactReference(ref: string): string {
  return redactShapes(ref);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that hold an address, which may hold a password. */
const ADDRESS_NAME = /^(?:(?:https?|all|ftp)_proxy|ollama_host|gemma_provision_host|hf_endpoint)$/i;

/** The secrets that an environment holds. */
export function secretsOfEnvironment(env: Environment): string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (ADDRESS_NAME.test(name)) return secretsOfAddress(value);
    // The path of a key file or of an agent's socket is not a secret.
    if (SECRET_NAME.test(name) && !/^[./~]/.test(value)) return value.length < SHORTEST_VALUE ? [] : [value];
    return value.includes('://') ? secretsOfAddress(value) : [];
  });
}

/** The secrets in arguments: passwords of addresses, and of what follows `--host`, which needs no `://`. */
export function secretsOfArguments(argv: readonly string[]): string[] {
  return argv.flatMap((argument, index) => {
    const isHost = argument.startsWith('--host=') || argv[index - 1] === '--host';
    const value = argument.startsWith('--') ? argument.slice(argument.indexOf('=') + 1) : argument;
    return isHost || value.includes('://') ? secretsOfAddress(value) : [];
  });
}

/** The password of an address, or the user when there is no password, since tokens are passed that way; also in the encoding of Basic. */
export function secretsOfAddress(address: string): string[] {
  const at = address.lastIndexOf('@');
  if (at < 0) return [];
  const start = address.indexOf('://');
  const info = address.slice(start < 0 ? 0 : start + 3, at);
  const plain = decoded(info);
  const secret = plain.includes(':') ? plain.slice(plain.indexOf(':') + 1) : plain;
  const raw = info.includes(':') ? info.slice(info.indexOf(':') + 1) : info;
  const basic = Buffer.from(plain.includes(':') ? plain : `${plain}:`, 'utf8').toString('base64');
  return [secret, raw, basic];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
