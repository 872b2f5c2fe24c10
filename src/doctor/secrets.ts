const SECRET_NAME = /KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH(?!OR)/i;
const LONGEST = 160;

/** The value of a setting or variable as it may be shown: no credentials, no control characters, at most 160 characters. */
export function shown(name: string, value: string): string {
  if (value === '') return '(empty)';
  if (SECRET_NAME.test(name)) return '(hidden)';
  const plain = withoutCredentials(value).replace(/\p{Cc}|\p{Bidi_Control}/gu, '');
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST - 1)}…` : plain;
}

/**
 * Hides everything before the last `@` (user and password of a proxy or a host, with or without a scheme) and what
 * follows a `?` (signatures of links).
 */
function withoutCredentials(value: string): string {
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1***@').replace(/\?.*$/s, '?***');
}
