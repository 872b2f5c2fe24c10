import type { Digest } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import { quoteValue } from '../../modelfile/quote.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';

/**
 * The create request of servers before 0.5.5, which know only Modelfile text. Every value is quoted so that their
 * parser reads it back exactly. Throws `bad-template` for a value that has no exact form.
 */
export function modelfileText(digest: Digest, spec: ModelSpec): string {
  const lines = [`FROM @${digest}`, `TEMPLATE ${quoted(spec.template, 'template')}`];
  if (spec.system !== undefined) lines.push(`SYSTEM ${quoted(spec.system, 'system text')}`);
  for (const [key, value] of Object.entries(spec.parameters)) {
    const values = Array.isArray(value) ? value : [value];
    lines.push(...values.map((one) => `PARAMETER ${parameterName(key)} ${quoted(String(one), `parameter ${key}`)}`));
  }
  if (spec.license !== '') lines.push(`LICENSE ${quoted(spec.license, 'licence')}`);
  return `${lines.join('\n')}\n`;
}

/** The way out is another one than for a file: only a newer server takes the text as it is. */
function quoted(value: string, what: string): string {
  try {
    return quoteValue(value, what);
  } catch (cause) {
    throw new ProvisionError(
      'bad-template',
      `This server accepts models only as Modelfile text: ${messageOf(cause)}.`,
      {
        cause,
        suggestions: ['Upgrade Ollama to 0.5.5 or later, which takes any text.', `Change the ${what}.`],
      },
    );
  }
}

function parameterName(key: string): string {
  if (/^[A-Za-z0-9_]+$/.test(key)) return key;
  throw new ProvisionError('bad-template', `A Modelfile cannot contain a parameter named ${JSON.stringify(key)}.`, {
    suggestions: ['Parameter names are letters, digits and "_".'],
  });
}
