import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config } from '@oclif/core/config';
import type { PJSON } from '@oclif/core/interfaces';
import { run } from '@oclif/core/run';
import { settings } from '@oclif/core/settings';
import type { Failure } from '../core/failure.ts';
import { nearest } from '../core/suggest.ts';
import { failureEnvelope } from './envelope.ts';
import { failureOf } from './failure.ts';
import { survive } from './lost-output.ts';
import { failureText } from './render/failure.ts';
import { processTerminal } from './terminal.ts';

interface MainOptions {
  /** Run the commands from src/ instead of dist/: for developers and tests. */
  readonly sources?: boolean;
}

/** Runs the command line; never throws, sets `process.exitCode`. */
export async function main(root: string, argv = process.argv.slice(2), options: MainOptions = {}): Promise<void> {
  survive(process, (code) => process.exit(code));
  try {
    await run([...argv], await loadConfig(root, options.sources ?? false));
  } catch (error) {
    if (isHelpExit(error)) return;
    await reportOutsideCommands(error, root, argv);
  }
}

/** The oclif configuration of this package, without looking for plug-ins or a TypeScript set-up. */
export function loadConfig(root: string, sources = false): Promise<Config> {
  settings.enableAutoTranspile = false;
  // Without it oclif asks for the user's entry in the list of users, which the user of a container may not have.
  process.env.SHELL ??= '/bin/sh';
  const pjson = readPackage(root);
  if (sources) pjson.oclif.commands = { strategy: 'pattern', target: './src/commands', globPatterns: ['**/*.ts'] };
  return Config.load({ root, pjson, devPlugins: false, userPlugins: false, ignoreManifest: sources });
}

function readPackage(root: string): PJSON {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/** `--help` inside a command ends by an error that is none. */
function isHelpExit(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIT';
}

/** Failures before any command class ran, above all an unknown command. Commands report their own. */
async function reportOutsideCommands(error: unknown, root: string, argv: readonly string[]): Promise<void> {
  const failure = withSpaces(failureOf(error));
  const suggestions = /^command .* not found$/.test(failure.message) ? await commandHints(root, argv) : [];
  const answer = suggestions.length > 0 ? { ...failure, suggestions } : failure;
  process.exitCode = failure.exitCode;
  const terminal = processTerminal({ noColor: argv.includes('--no-color') });
  if (argv.includes('--json')) {
    terminal.out.json(failureEnvelope(answer, { command: argv[0] ?? '', warnings: [] }));
    return;
  }
  terminal.err.text(`${failureText(answer, terminal)}\n`);
}

/** oclif names commands with colons inside; people type spaces. */
function withSpaces(failure: Failure): Failure {
  return {
    ...failure,
    message: failure.message.replace(/^command (\S+) not found$/, (text) => text.replaceAll(':', ' ')),
  };
}

async function commandHints(root: string, argv: readonly string[]): Promise<string[]> {
  const config = await loadConfig(root);
  const known = config.commandIDs.map((id) => id.replaceAll(':', ' '));
  const words = argv.filter((word) => !word.startsWith('-'));
  const near = nearest(words.slice(0, 2).join(' '), known) ?? nearest(words[0] ?? '', known);
  const hint = near === undefined ? [] : [`Did you mean gemma-provision ${near}?`];
  return [...hint, 'See gemma-provision --help for all commands.'];
}
