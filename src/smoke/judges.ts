import type { ChatResult } from '../runtimes/contract.ts';
import type { Judge } from './schema.ts';

/** What a judge may look at. */
export interface Evidence {
  readonly text: string;
  readonly endedBy: ChatResult['endedBy'];
  readonly answerTokens: number;
  /** Text of the chat template and stop strings, none of which belongs into an answer. */
  readonly templateMarkers: readonly string[];
  /** Reaching the token limit is not a fault. */
  readonly mayRunOn: boolean;
  /** What the check's JSON Schema says of the text; absent where there is no schema. */
  readonly bySchema?: { readonly verdict: Verdict };
}

/** Why an answer is not accepted, for a person, or undefined when it is. */
export type Verdict = string | undefined;

type JudgeOf<Kind extends Judge['kind']> = Extract<Judge, { kind: Kind }>;

const JUDGES: { readonly [Kind in Judge['kind']]: (judge: JudgeOf<Kind>, evidence: Evidence) => Verdict } = {
  wellFormed: (_, evidence) => judgeForm(evidence),
  exactly: (judge, { text }) => judgeText(judge, text),
  mentions: (judge, { text }) =>
    judge.anyOf.some((word) => mentions(text, word))
      ? undefined
      : `expected ${listOf(judge.anyOf)} in the answer, got ${quote(text)}`,
  lacks: (judge, { text }) => {
    const found = judge.noneOf.filter((word) => mentions(text, word));
    return found.length === 0 ? undefined : `expected no ${listOf(found)} in the answer, got ${quote(text)}`;
  },
  oneWord: (_, { text }) => (ONE_WORD.test(text.trim()) ? undefined : `expected one word, got ${quote(text)}`),
  number: (judge, { text }) => judgeNumber(judge, text),
  script: (judge, { text }) => judgeScript(judge.script, text),
  varied: (_, { text }) => judgeVariety(text),
  json: (_, { bySchema }) => (bySchema === undefined ? 'there is no JSON Schema to judge by' : bySchema.verdict),
};

/** Asks one judge. Pure: the same evidence gets the same verdict. */
export function findObjection<Kind extends Judge['kind']>(judge: JudgeOf<Kind>, evidence: Evidence): Verdict {
  const ask: (judge: JudgeOf<Kind>, evidence: Evidence) => Verdict = JUDGES[judge.kind as Kind];
  return ask(judge, evidence);
}

function judgeForm({ text, endedBy, answerTokens, templateMarkers, mayRunOn }: Evidence): Verdict {
  if (text.trim() === '') return `the answer is empty (${answerTokens} tokens)`;
  const leaked = templateMarkers.filter((marker) => marker.trim() !== '' && text.includes(marker));
  if (leaked.length > 0) return `template text leaked into the answer: ${listOf(leaked)}`;
  if (endedBy === 'length' && !mayRunOn)
    return `the answer did not end by itself within ${answerTokens} tokens: the stop token may be missing`;
  return undefined;
}

function judgeText({ text: wanted, ignoreCase, ignoreFinalStop }: JudgeOf<'exactly'>, text: string): Verdict {
  const plain = (each: string): string => {
    const trimmed = ignoreFinalStop ? withoutFinalStop(each) : each.trim();
    return ignoreCase ? trimmed.toLowerCase() : trimmed;
  };
  return plain(text) === plain(wanted) ? undefined : `expected exactly ${quote(wanted)}, got ${quote(text)}`;
}

/** A whole number or a decimal, with or without thousands commas, and nothing else but a final stop. */
const ONLY_NUMBER = /^[-+−]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$/;

function judgeNumber({ equals }: JudgeOf<'number'>, text: string): Verdict {
  const only = withoutFinalStop(text);
  if (!ONLY_NUMBER.test(only)) return `expected one number and nothing else, got ${quote(text)}`;
  const value = Number(only.replaceAll(',', '').replace('−', '-'));
  return equals === undefined || value === equals ? undefined : `expected ${equals}, got ${quote(text)}`;
}

/** Letters of any script, with marks, digits, inner apostrophes and hyphens; a final stop is forgiven. */
const ONE_WORD = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}'’-]*[.!。！]?$/u;

function withoutFinalStop(text: string): string {
  return text
    .trim()
    .replace(/[.!。！]$/u, '')
    .trim();
}

/** Scripts that write no spaces between words, or hang particles on them: there a word is any place that has its letters. */
const WITHOUT_WORD_ENDS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

function mentions(text: string, word: string): boolean {
  const [where, what] = [fold(text), fold(word)];
  if (WITHOUT_WORD_ENDS.test(what)) return where.includes(what);
  const inWord = '[\\p{L}\\p{M}\\p{N}]';
  return new RegExp(`(?<!${inWord})${literal(what)}(?!${inWord})`, 'u').test(where);
}

/** A text as a pattern for itself. */
function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** Writing systems of more than one script, by their ISO 15924 codes. */
const MIXED: Readonly<Record<string, readonly string[]>> = {
  Jpan: ['Han', 'Hiragana', 'Katakana'],
  Kore: ['Hangul', 'Han'],
};

/** Undefined for a name that Unicode does not know. A name becomes part of a pattern, so it may hold nothing but letters. */
export function lettersOf(script: string): RegExp | undefined {
  if (!/^[A-Za-z_]+$/.test(script)) return undefined;
  const scripts = Object.hasOwn(MIXED, script) ? (MIXED[script] ?? []) : [script];
  try {
    return new RegExp(`[${scripts.map((each) => `\\p{Script_Extensions=${each}}`).join('')}]`, 'u');
  } catch {
    return undefined;
  }
}

function judgeScript(script: string, text: string): Verdict {
  const letters = text.match(/\p{L}/gu) ?? [];
  const ofScript = lettersOf(script);
  const own = letters.filter((letter) => ofScript?.test(letter));
  return own.length * 2 > letters.length
    ? undefined
    : `expected most letters in the script ${script}, got ${quote(text)}`;
}

/** Repetitions before a text counts as nothing but its beginning: two may be style. */
const LOOPED = 3;

function judgeVariety(text: string): Verdict {
  const words = text.trim().split(/\s+/);
  // Without blanks the letters are what repeats.
  const units = words.length < LOOPED ? [...text.trim()] : words;
  const periods = Array.from({ length: Math.floor(units.length / LOOPED) }, (_, index) => index + 1);
  const period = periods.find((length) => units.every((unit, at) => at < length || unit === units[at - length]));
  return period === undefined ? undefined : `the model only repeats itself: ${quote(text)}`;
}

function listOf(words: readonly string[]): string {
  return words.map(quote).join(' or ');
}

/** Answers come from a model: control characters and great length are kept off the terminal. */
export function quote(text: string): string {
  const trimmed = text.trim();
  return JSON.stringify(trimmed.length > 120 ? `${trimmed.slice(0, 120)}…` : trimmed);
}
