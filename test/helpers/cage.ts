import type { Cage } from '../../src/cage/cage.ts';
import { perform } from '../../src/cage/programs.ts';
import { never } from './failure.ts';

/** Runs the programs of tests, which end by themselves, without a child process. */
export const openCage: Cage = {
  perform: async (program) => perform(program),
  close: async () => undefined,
};

export const UNCAGED = { cage: openCage, signal: never };
