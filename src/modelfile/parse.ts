/**
 * Modelfile text, read by the rules of Ollama's own parser (`parser/parser.go`; unchanged from v0.5.13 to
 * v0.33.0-rc2 but for its list of commands). Written anew because creation never parses Modelfile text: this is
 * for checking files, and for proving that what we render reads back as what was meant.
 */
import { ProvisionError } from '../core/errors.ts';

/** One line's command. `FROM` is `from`; `PARAMETER stop x` is `{name: 'parameter', key: 'stop', value: 'x'}`. */
export interface ModelfileCommand {
  readonly name: CommandName;
  /** Parameter name or message role; absent for other commands. */
  readonly key?: string;
  readonly value: string;
  /** 1-based line where the command starts. */
  readonly line: number;
}

const COMMANDS = [
  'from',
  'license',
  'template',
  'system',
  'adapter',
  'draft',
  'renderer',
  'parser',
  'parameter',
  'message',
  'requires',
] as const;
type CommandName = (typeof COMMANDS)[number];

const ROLES: readonly string[] = ['system', 'user', 'assistant'];
/** Go's `strconv.IsPrint`: everything else but blanks and line ends is dropped by Ollama's parser without a word. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const TRIPLE = '"""';

/**
 * Reads a whole Modelfile. Throws `bad-template` with the line for an unknown command, a bad parameter name or
 * role, a quote that never ends, and a file without FROM.
 */
export function parseModelfile(text: string, fileName = 'Modelfile'): ModelfileCommand[] {
  const reader = new Reader(text, fileName);
  const commands: ModelfileCommand[] = [];
  for (let command = reader.next(); command !== undefined; command = reader.next()) commands.push(command);
  if (!commands.some(({ name }) => name === 'from'))
    throw new ProvisionError('bad-template', `${fileName} has no FROM line`);
  return commands;
}

/**
 * What Ollama's parser makes of a value written as `written`, up to its end; undefined when a line end inside it
 * would end the value early or its quote never closes.
 */
export function readBack(written: string): string | undefined {
  const { value, next } = scanValue([...written, '\n'], 0);
  return next === [...written].length ? value : undefined;
}

class Reader {
  readonly #runes: readonly string[];
  readonly #fileName: string;
  #at = 0;
  #line = 1;

  constructor(text: string, fileName: string) {
    this.#runes = [...text.replace(/^\uFEFF/u, '')];
    this.#fileName = fileName;
  }

  next(): ModelfileCommand | undefined {
    this.#skipBlankAndComments();
    if (this.#at >= this.#runes.length) return undefined;
    const line = this.#line;
    const name = this.#command();
    const key = name === 'parameter' ? this.#word(/^[a-zA-Z0-9_]$/, 'parameter name') : this.#role(name);
    const { value, next } = scanValue(this.#runes, this.#at);
    if (value === undefined) this.#fail(line, `the quoted text of ${name.toUpperCase()} is not closed`);
    this.#moveTo(next);
    return { name, ...(key !== undefined && { key }), value, line };
  }

  #skipBlankAndComments(): void {
    let comment = false;
    for (;;) {
      const rune = this.#runes[this.#at];
      if (rune === undefined) return;
      if (isLineEnd(rune)) comment = false;
      else if (rune === '#') comment = true;
      else if (!comment && !isBlank(rune)) return;
      this.#moveTo(this.#at + 1);
    }
  }

  #command(): CommandName {
    const typed = this.#word(/^[a-zA-Z]$/, 'command').toLowerCase();
    const name = COMMANDS.find((known) => known === typed);
    return name ?? this.#fail(this.#line, `${typed} is not a command; known: ${COMMANDS.join(', ').toUpperCase()}`);
  }

  #role(name: CommandName): string | undefined {
    if (name !== 'message') return undefined;
    const role = this.#word(/^[a-zA-Z]$/, 'role');
    return ROLES.includes(role)
      ? role
      : this.#fail(this.#line, `the role of a MESSAGE is ${ROLES.join(', ')}, not ${role}`);
  }

  /** Letters up to one blank, which is eaten. */
  #word(letters: RegExp, what: string): string {
    let word = '';
    for (;;) {
      const rune = this.#runes[this.#at];
      if (rune !== undefined && isBlank(rune) && word !== '') break;
      if (rune === undefined || !letters.test(rune)) {
        this.#fail(this.#line, `bad ${what} at ${JSON.stringify(word + (rune ?? ''))}`);
      }
      word += rune;
      this.#at += 1;
    }
    this.#at += 1;
    return word;
  }

  #moveTo(next: number): void {
    for (; this.#at < next; this.#at += 1) {
      if (this.#runes[this.#at] === '\n') this.#line += 1;
    }
  }

  #fail(line: number, reason: string): never {
    throw new ProvisionError('bad-template', `${this.#fileName}, line ${line}: ${reason}`);
  }
}

/**
 * A value runs to the first line end at which what was read so far is complete: not quoted, or ending (blanks
 * aside) in the quote it began with. `next` is the index of that line end or of the end of the text.
 */
function scanValue(runes: readonly string[], start: number): { value: string | undefined; next: number } {
  let text = '';
  for (let at = start; ; at += 1) {
    const rune = runes[at];
    if (rune === undefined || isLineEnd(rune)) {
      const value = unquote(trimSpace(text));
      if (value !== undefined || rune === undefined) return { value, next: at };
    }
    if (isBlank(rune) || isLineEnd(rune) || PRINTABLE.test(rune)) text += rune;
  }
}

function unquote(text: string): string | undefined {
  if (text.startsWith(TRIPLE)) {
    return text.length >= 6 && text.endsWith(TRIPLE) ? text.slice(3, -3) : undefined;
  }
  if (text.startsWith('"')) return text.length >= 2 && text.endsWith('"') ? text.slice(1, -1) : undefined;
  return text;
}

/** Go's `strings.TrimSpace` on what can be left here: other kinds of space were dropped before. */
function trimSpace(text: string): string {
  return text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');
}

function isBlank(rune: string): boolean {
  return rune === ' ' || rune === '\t';
}

function isLineEnd(rune: string): boolean {
  return rune === '\r' || rune === '\n';
}
