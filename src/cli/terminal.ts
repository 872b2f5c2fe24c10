import { inspect } from 'node:util';
import { coloured, createOutput, type Output } from './output.ts';
import { safe, safeAnswer } from './redaction.ts';

/** What we know of the two output streams; made once, passed to every renderer. */
export interface Terminal {
  readonly out: Output;
  readonly err: Output;
  /** stderr is a terminal that can redraw a line. */
  readonly interactive: boolean;
  readonly columns: number;
  readonly color: boolean;
}

/** The terminal of this process. */
export function processTerminal({ noColor }: { readonly noColor: boolean }): Terminal {
  const { stdout, stderr, env } = process;
  return {
    out: createOutput(stdout, safeAnswer),
    err: createOutput(stderr, safe),
    interactive: stderr.isTTY === true && env.TERM !== 'dumb',
    columns: stderr.columns || 80,
    color: !noColor && !env.NO_COLOR && stderr.isTTY === true,
  };
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colour where the terminal has it and nobody asked for none. */
export function paint(terminal: Pick<Terminal, 'color'>, style: Style, text: string): string {
  const codes = inspect.colors[style];
  return terminal.color && codes !== undefined ? coloured(text, codes) : text;
}
