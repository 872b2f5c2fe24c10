import { describe, expect, test } from 'vitest';
import { failureOf } from '../../../src/cli/failure.ts';

function failed(message: string, variables: [string, string][] = []) {
  const error = Object.assign(new Error(`${message}\nSee more help with --help`), { parse: {}, oclif: {} });
  return failureOf(error, { flags: ['from', 'force'], variables: new Map(variables) });
}

describe('a command line that cannot be parsed', () => {
  test.each([
    ['Parsing --ctx \n\tExpected an integer but received: 8k', '--ctx needs a whole number; 8k is not one.'],
    [
      'Parsing --max-tokens \n\tExpected an integer greater than or equal to 1 but received: 0',
      '--max-tokens must be at least 1; 0 is not.',
    ],
    [
      'Parsing --timeout \n\tExpected an integer less than or equal to 60 but received: 61',
      '--timeout must be at most 60; 61 is not.',
    ],
    [
      'Expected --runtime=foo to be one of: auto, ollama, embedded',
      '--runtime cannot be foo: use auto, ollama or embedded.',
    ],
    ['Expected foo to be one of: bash, zsh', 'foo is not a choice: use bash or zsh.'],
    ['Flag --ctx expects a value', '--ctx needs a value.'],
    ['Flag --via expects one of these values: copy, upload', '--via needs a value: copy or upload.'],
    ['Flag --ctx can only be specified once', '--ctx is given more than once.'],
    ['Missing 1 required arg:\nname  name of the model', 'An argument is missing:\n  NAME: name of the model'],
    [
      'Missing 2 required args:\nname  name of the model\nfile  bundle to write\n\nNote: --host allow multiple values. Because\nAlternatively, you can use "--"',
      'Arguments are missing:\n  NAME: name of the model\n  FILE: bundle to write',
    ],
    ['Unexpected argument: b', 'This argument is one too many: b'],
    ['Unexpected arguments: b, c', 'These arguments are too many: b, c'],
    [
      'The following error occurred:\n  \u001b[2mAll of the following must be provided when using --lock: --frozen\u001b[22m',
      '--lock needs --frozen.',
    ],
    [
      'The following errors occurred:\n  Missing required flag key\n  --a=b cannot also be provided when using --c',
      '--key is missing.\n--a and --c cannot be combined.',
    ],
    ['Something new', 'Something new'],
  ])('%j is told as %j', (words, message) => {
    expect(failed(words)).toMatchObject({ code: 'bad-usage', exitCode: 2, message, suggestions: ['See --help.'] });
  });

  test('a value of the environment is named by its variable', () => {
    const variables: [string, string][] = [['runtime', 'GEMMA_PROVISION_RUNTIME']];
    expect(failed('Expected --runtime=foo to be one of: auto, ollama', variables).message).toBe(
      'GEMMA_PROVISION_RUNTIME cannot be foo: use auto or ollama.',
    );
  });

  test('an unknown flag gets the nearest one', () => {
    const failure = failed('Nonexistent flag: --form');
    expect(failure).toMatchObject({ code: 'bad-usage', message: 'Unknown flag: --form' });
    expect(failure.suggestions[0]).toBe('Did you mean --from?');
  });
});
