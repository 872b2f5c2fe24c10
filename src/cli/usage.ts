import { stripVTControlCharacters } from 'node:util';
import { type Failure, failure } from '../core/failure.ts';
import { nearest } from '../core/suggest.ts';

/** What the parser knew of a command. */
export interface Usage {
  /** Long flags of the command, for nearest matches. */
  readonly flags?: readonly string[];
  /** Flags whose value came from an environment variable, with its name. */
  readonly variables?: ReadonlyMap<string, string>;
}

/** oclif's parse errors carry `parse`; its unknown-command error carries exit 2 and no class of its own. */
export function isUsageError(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return false;
  const { oclif } = thrown;
  return 'parse' in thrown || (typeof oclif === 'object' && oclif !== null && 'exit' in oclif && oclif.exit === 2);
}

/** The failure of a command line that cannot be parsed, in plain words. */
export function usageFailure(error: Error, { flags = [], variables = new Map() }: Usage): Failure {
  const text = stripVTControlCharacters(error.message)
    .replace(/\n?See more help with --help/, '')
    .replace(/\n*Note: --[\s\S]*$/, '')
    .trim();
  const message = reworded(text, (flag) => variables.get(flag) ?? `--${flag}`);
  const unknown = /^Unknown flags?: (.+)/.exec(message)?.[1]?.split(', ') ?? [];
  const suggestions = unknown.flatMap((typed) => {
    const near = nearest(typed.replace(/^-+/, ''), flags);
    return near === undefined ? [] : [`Did you mean --${near}?`];
  });
  return failure('bad-usage', message, [...suggestions, 'See --help.']);
}

type Rule = readonly [RegExp, (match: readonly string[], named: (flag: string) => string) => string];

/** oclif's words, and ours. `named` is how the user gave a flag: by itself, or by a variable. */
const RULES: readonly Rule[] = [
  [
    /^Parsing --(\S+) \n\tExpected an integer but received: (.*)$/,
    ([, flag = '', value], named) => `${named(flag)} needs a whole number; ${value} is not one.`,
  ],
  [
    /^Parsing --(\S+) \n\tExpected an integer (greater|less) than or equal to (\S+) but received: (.*)$/,
    ([, flag = '', side, bound, value], named) =>
      `${named(flag)} must be ${side === 'greater' ? 'at least' : 'at most'} ${bound}; ${value} is not.`,
  ],
  [/^Parsing --(\S+) \n\t([\s\S]*)$/, ([, flag = '', words], named) => `${named(flag)}: ${words}`],
  [
    /^Expected --(\S+?)=([\s\S]*) to be one of: (.*)$/,
    ([, flag = '', value, options = ''], named) => `${named(flag)} cannot be ${value}: use ${listed(options)}.`,
  ],
  [
    /^Expected ([\s\S]*) to be one of: (.*)$/,
    ([, value, options = '']) => `${value} is not a choice: use ${listed(options)}.`,
  ],
  [
    /^Flag --(\S+) expects one of these values: (.*)$/,
    ([, flag, options = '']) => `--${flag} needs a value: ${listed(options)}.`,
  ],
  [/^Flag --(\S+) expects a value$/, ([, flag]) => `--${flag} needs a value.`],
  [/^Flag --(\S+) can only be specified once$/, ([, flag]) => `--${flag} is given more than once.`],
  [/^Missing \d+ required args?:\n([\s\S]*)$/, ([, list = '']) => missing(list)],
  [
    /^Unexpected arguments?: (.*)$/,
    ([, words = '']) =>
      words.includes(', ') ? `These arguments are too many: ${words}` : `This argument is one too many: ${words}`,
  ],
  [
    /^Nonexistent flag(s?): (.*)$/,
    ([, many = '', names = '']) => `Unknown flag${many}: ${names.replace(/=[^,]*/g, '')}`,
  ],
  [
    /^The following errors? occurred:\n\s*([\s\S]*)$/,
    ([, reasons = '']) => reasons.split(/\n\s*/).map(constraint).join('\n'),
  ],
];

function reworded(text: string, named: (flag: string) => string): string {
  for (const [pattern, words] of RULES) {
    const match = pattern.exec(text);
    if (match !== null) return words(match, named);
  }
  return text;
}

function constraint(reason: string): string {
  const missingFlag = /^Missing required flag (\S+)$/.exec(reason);
  if (missingFlag) return `--${missingFlag[1]} is missing.`;
  const needs = /^(?:All|One) of the following must be provided when using (--\S+): (.*)$/.exec(reason);
  if (needs) return `${needs[1]} needs ${needs[2]}.`;
  const clash = /^(--[^\s=]+)(?:=[\s\S]*)? cannot also be provided when using (--\S+)$/.exec(reason);
  if (clash) return `${clash[1]} and ${clash[2]} cannot be combined.`;
  return reason;
}

/** `name  what it is` on a line each. */
function missing(list: string): string {
  const rows = list.split('\n').map((line) => /^(\S+)\s*(.*)$/.exec(line.trim()));
  const found = rows.flatMap((row) => (row?.[1] === undefined ? [] : [[row[1].toUpperCase(), row[2] ?? ''] as const]));
  const lines = found.map(([name, what]) => `  ${name}${what === '' ? '' : `: ${what}`}`);
  return [found.length === 1 ? 'An argument is missing:' : 'Arguments are missing:', ...lines].join('\n');
}

function listed(options: string): string {
  const all = options.split(', ');
  const last = all.pop() ?? '';
  return all.length === 0 ? last : `${all.join(', ')} or ${last}`;
}
