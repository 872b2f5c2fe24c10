import { stripVTControlCharacters, styleText } from 'node:util';

/** What we know of the two output streams; made once, passed to every renderer. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** stderr is a terminal that can redraw a line. */
  readonly interactive: boolean;
  readonly columns: number;
  readonly color: boolean;
}

/** The terminal of this process. */
export function processTerminal({ noColor }: { readonly noColor: boolean }): Terminal {
  const { stdout, stderr, env } = process;
  return {
    stdout,
    stderr,
    interactive: stderr.isTTY === true && env.TERM !== 'dumb',
    columns: stderr.columns || 80,
    color: !noColor && !env.NO_COLOR && stderr.isTTY === true,
  };
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colour where the terminal has it and nobody asked for none. */
export function paint(terminal: Pick<Terminal, 'color'>, style: Style, text: string): string {
  return terminal.color ? styleText(style, text, { validateStream: false }) : text;
}

/** Text from servers and files may carry escape codes and direction overrides; none of them reaches the terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/(?![\t\n])\p{Cc}|\p{Bidi_Control}/gu, '');
}
