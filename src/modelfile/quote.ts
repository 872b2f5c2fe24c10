import { ProvisionError } from '../core/errors.ts';
import { readBack } from './parse.ts';

/**
 * A value as Modelfile text that Ollama's parser reads back exactly. The plainest of the three forms that does:
 * bare, `"…"`, `"""…"""`; there are no escapes in a Modelfile, so some values have no form at all.
 * Throws `bad-template` with the reason for those.
 */
export function quoteValue(value: string, what = 'value'): string {
  const forms = value === '' ? ['""'] : [value, `"${value}"`, `"""${value}"""`];
  const exact = forms.find((form) => readBack(form) === value);
  if (exact !== undefined) return exact;
  throw new ProvisionError('bad-template', `a Modelfile cannot represent this ${what} exactly: ${reasonOf(value)}`, {
    suggestions: ['Create the model through the API, which accepts any text.', 'Change the text.'],
  });
}

/** As {@link quoteValue}, but quoted even where bare text would do: the form people expect of stop words and texts. */
export function alwaysQuoted(value: string, what = 'value'): string {
  const forms = [`"${value}"`, `"""${value}"""`].filter(
    (form) => value === '' || !value.includes('\n') || form.startsWith('"""'),
  );
  return forms.find((form) => readBack(form) === value) ?? quoteValue(value, what);
}

function reasonOf(value: string): string {
  const dropped = [...value].find((rune) => readBack(`"${rune}"`) !== rune && rune !== '"');
  if (dropped !== undefined) return `the parser drops ${nameOf(dropped)} silently`;
  if (/"""[ \t\r]*[\r\n]/.test(value)) return 'three double quotes at the end of a line would end the value there';
  return 'its quotes would end the value early';
}

function nameOf(rune: string): string {
  const code = (rune.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return rune === '\0' ? 'NUL' : `the character U+${code}`;
}
