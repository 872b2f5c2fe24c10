import type { CheckAnswer, CheckRequest } from '../provision/check/check.ts';
import type { Terminal } from './terminal.ts';
import type { ServiceOptions, Services } from './wire.ts';

/**
 * The seam between commands and the real world: tests of commands replace these functions, nothing else.
 * The real services are loaded on first use, so that `--help` loads no room.
 */
export const wiring = {
  async services(options: ServiceOptions): Promise<Services> {
    const { wire } = await import('./wire.ts');
    return wire(options);
  },

  /** A door of its own, for the quickest start: it opens the services only for a user who has files of his own. */
  async check(request: CheckRequest, options: ServiceOptions): Promise<CheckAnswer> {
    const { checkFor } = await import('../provision/check/check.ts');
    return checkFor(request, { options, env: process.env, services: () => wiring.services(options) });
  },

  terminal(options: { noColor: boolean }): Terminal {
    const { stdout, stderr, env } = process;
    return {
      stdout,
      stderr,
      interactive: stderr.isTTY === true && env.TERM !== 'dumb',
      columns: stderr.columns || 80,
      color: !options.noColor && !env.NO_COLOR && stderr.isTTY === true,
    };
  },
};
